"""Find the mask of each picture by its name, and report pictures and masks that are alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.formats.pictures import SUFFIXES


@dataclass(frozen=True)
class Pair:
    """A picture and its mask, None where it has none."""

    picture: Path
    mask: Path | None

    @property
    def files(self) -> list[Path]:
        return [self.picture] if self.mask is None else [self.picture, self.mask]


def is_picture(path: Path) -> bool:
    """Does the name of ``path`` end as that of a picture, and is it not hidden?"""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def by_name(found: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Return files by their names; raises InputError where two files have the same one."""
    files: dict[str, Path] = {}
    for name, path in found:
        if name in files:
            raise InputError(f"{path}: would have the same name ({name}) as {files[name]}; rename or remove one")
        files[name] = path
    return files


def pair_up(pictures: Mapping[str, Path], masks: Mapping[str, Path]) -> dict[str, Pair]:
    """Return pictures and masks by the name ``split/scene`` that they share."""
    return {name: Pair(picture, masks.get(name)) for name, picture in sorted(pictures.items())}


def alone(root: str, pairs: Mapping[str, Pair], masks: Collection[str] = ()) -> list[Defect]:
    """Report, in a line for each split, pictures without a mask, and names of ``masks`` without a picture."""
    without: dict[str, list[str]] = defaultdict(list)
    count: dict[str, int] = defaultdict(int)
    for name, pair in pairs.items():
        count[_split(name)] += 1
        if pair.mask is None:
            without[_split(name)].append(name)
    defects = [
        Defect(
            root, None, f"{split}: {len(names)} of {count[split]} pictures have no mask, {names[0]} first", "unlabeled"
        )
        for split, names in sorted(without.items())
    ]
    left: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(masks) - set(pairs)):
        left[_split(name)].append(name)
    return defects + [
        Defect(root, None, f"{split}: {len(names)} masks have no picture, {names[0]} first", "not used")
        for split, names in sorted(left.items())
    ]


def _split(name: str) -> str:
    return name.partition("/")[0]
