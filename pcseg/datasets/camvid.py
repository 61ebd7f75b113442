"""Read CamVid in SegNet's layout: 11 classes, pictures of 480 x 360.

Layout: ``train/*.png`` and ``trainannot/*.png`` of the same names, likewise val and test where they are there
(Brostow et al., Semantic object classes in video, PRL 2009; classes and splits of Badrinarayanan et al., SegNet, 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pcseg.classes import Classes
from pcseg.datasets.listing import list_files, not_used
from pcseg.datasets.pairs import Pair, alone, by_name, is_picture, pair_up
from pcseg.datasets.picture_scene import MaskMeaning, all_known, read_pair
from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.formats.pictures import SUFFIXES
from pcseg.scenes.scene import Scene

CAMVID = Classes(
    names=(
        "sky", "building", "pole", "road", "sidewalk", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
    ),
    colors=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
        (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
)  # fmt: skip
"""The 11 classes in SegNet's order and colors."""

PICTURES = {"train": 367, "val": 101, "test": 233}
"""Number of pictures of each split in the release."""

_MEANING = MaskMeaning(CAMVID.names, all_known(len(CAMVID), ignore=11), "CamVid has 0 to 10, and 11 for void")


@dataclass(frozen=True)
class CamvidReader:
    """Reads ``root``, the folder of train, trainannot, val and valannot; masks are 0 to 10, and 11 for unlabeled."""

    root: str

    @property
    def classes(self) -> Classes:
        return CAMVID

    def scenes(self) -> list[str]:
        if not self._pairs:
            raise InputError(f"{self.root}: no picture in train, val or test; give the folder that holds them")
        return list(self._pairs)

    def remarks(self) -> list[Defect]:
        """Report links to nowhere, files that are not used, missing pictures, and pictures or masks that are alone."""
        files, defects = self._listed
        used = {*self._pictures.values(), *self._masks.values()}
        others = [path for path in files if path not in used and path.suffix != ".txt"]
        defects = defects + not_used(self.root, others, SUFFIXES)
        for split, released in PICTURES.items():
            here = sum(name.startswith(f"{split}/") for name in self._pairs)
            if 0.9 * released < here < released:  # nearly complete, so pictures were lost; a small part is intended
                text = f"{split}: {here} pictures, but the release has {released}"
                defects.append(Defect(self.root, None, text, "prepared without the missing ones; unpack it again"))
        return defects + alone(self.root, self._pairs, self._masks)

    def sources(self, name: str) -> list[Path]:
        return self._pairs[name].files

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        return read_pair(name, self._pairs[name], _MEANING)

    @cached_property
    def _listed(self) -> tuple[list[Path], list[Defect]]:
        return list_files(self.root)

    def _of(self, ending: str) -> dict[str, Path]:
        """Return the pictures in the folders ``<split><ending>``, by ``split/name``."""
        folders = {split + ending: split for split in PICTURES}
        found = [path for path in self._listed[0] if path.parent.parent == Path(self.root) and is_picture(path)]
        return by_name((f"{folders[p.parent.name]}/{p.stem}", p) for p in found if p.parent.name in folders)

    @cached_property
    def _pictures(self) -> dict[str, Path]:
        return self._of("")

    @cached_property
    def _masks(self) -> dict[str, Path]:
        return self._of("annot")

    @cached_property
    def _pairs(self) -> dict[str, Pair]:
        return pair_up(self._pictures, self._masks)


def is_camvid(root: str) -> bool:
    """Return whether ``root`` has SegNet's folders, and no classes.yaml that says something else of them."""
    folders = all((Path(root) / name).is_dir() for name in ("train", "trainannot"))
    return folders and not (Path(root) / "classes.yaml").exists()
