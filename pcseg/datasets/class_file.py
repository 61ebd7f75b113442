"""Read classes.yaml, which gives the meaning of the labels in a user's own point files."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.classes import IGNORE, S3DIS, SCANNET20, Classes
from pcseg.datasets.yaml_file import read_yaml
from pcseg.errors import InputError, cut
from pcseg.scenes.scene import scene_classes

LARGEST = 2**53 - 1
"""The largest number that may stand for a class: a float64, as which labels may come, holds it exactly."""

KNOWN = {"s3dis": S3DIS, "scannet20": SCANNET20}


@dataclass(frozen=True)
class ClassFile:
    """The keys of classes.yaml; only ``names`` must be there.

    ``names``: the classes, in order. ``colors``: one [r, g, b] (0 to 255) a class. ``label``: name of the column or
    property with the labels (else one of USUAL_LABELS). ``instance``: the same for object numbers. ``ids``: what each
    number in the files means, {2: ground}; without it, number i is the i-th name. ``ignore``: numbers that mean
    unlabeled, besides -1 and NaN. ``columns``: names of the columns of text and .npy files without them. ``scale``:
    meters per unit of the coordinates, 0.001 for millimeters. ``keep``: columns that scenes keep besides these, to be
    features, such as [intensity]; without it those of pcseg.scenes.columns.USUAL that are there.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...] = ()
    label: str = ""
    instance: str = ""
    ids: Mapping[int, str] = field(default_factory=dict)
    ignore: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    scale: float = 1.0
    keep: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        named = Classes(self.names)
        for name in self.ids.values():
            named.index(name)
        if not 1e-9 <= self.scale <= 1e9:  # NaN is not, either
            raise InputError(f"scale: {self.scale:g} must be positive, meters per unit (0.001 for millimeters)")
        meant = set(self.ids) or set(range(len(self.names)))
        for number in (*meant, *self.ignore):
            if abs(number) > LARGEST:
                raise InputError(f"ids, ignore: {number} is too large for a label; write at most {LARGEST}")
        both = sorted(meant & {*self.ignore, IGNORE})
        if both:
            other = "-1 always means unlabeled" if both[0] == IGNORE else "it is under ignore, too"
            means = self.ids.get(both[0]) or self.names[both[0]]
            raise InputError(f"ids: {both[0]} means {means}, but {other}; name each number once (see ids and ignore)")
        _ = self.classes  # made here, so that a wrong list is an error at once

    @property
    def classes(self) -> Classes:
        """Return the classes with the numbers that stand for each of them, in the order of ``ids``.

        A class without a number gets the smallest one, from 0, that means nothing else: it cannot be in the files, but
        may be predicted.
        """
        codes = {name: [i for i, n in self.ids.items() if n == name] for name in self.names}
        free = (
            i for i in range(len(self.ids) + len(self.ignore) + len(self.names)) if i not in {*self.ids, *self.ignore}
        )
        numbers = tuple(tuple(codes[name] or [next(free)]) for name in self.names) if self.ids else ()
        return Classes(self.names, self.colors, numbers)

    def segment(self, values: np.ndarray, where: str) -> np.ndarray:
        """Return labels (P,) int64 of the numbers ``values`` (P,) in a file; InputError for a number of no meaning."""
        if values.dtype.kind not in "biuf":
            raise InputError(
                f"{where}: its labels are no numbers ({values.dtype}); write the numbers under ids: instead"
            )
        known = dict.fromkeys((*self.ignore, IGNORE), IGNORE)
        known |= {i: self.names.index(n) for i, n in (self.ids or dict(enumerate(self.names))).items()}
        exact = values.astype(np.float64)
        exact[np.isnan(exact)] = IGNORE
        numbers, inverse, counts = np.unique(exact, return_inverse=True, return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            if number not in known:
                at = int(np.flatnonzero(exact == number)[0])
                shown = f"{number:g}" if abs(number) < 1e6 else str(values[at])
                if not float(number).is_integer():
                    raise InputError(
                        f"{where}: label {shown} ({count} points, first is {at}) is no whole number; "
                        "name the column that holds the labels under label: in classes.yaml"
                    )
                raise InputError(
                    f"{where}: label {shown} ({count} points, first is {at}) means no class; "
                    "add it to classes.yaml under ids: or ignore:"
                )
        return np.array([known[int(n)] for n in numbers], dtype=np.int64)[inverse.reshape(-1)]


def read_class_file(path: str | Path) -> ClassFile:
    """Read a classes.yaml (see ``read_yaml`` for its bounds).

    Misspelt keys, wrong types, keys or numbers that are there twice, aliases and unknown names are an InputError that
    names the file.
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file; write one with a line like 'names: [ground, tree, house]'")
    content = read_yaml(path)
    if isinstance(content, list):
        content = {"names": content}
    keys = [f.name for f in fields(ClassFile)]
    wrong = sorted(set(map(str, content)) - set(keys)) if isinstance(content, dict) else ["(no keys)"]
    if wrong or "names" not in content:
        found = f"{cut(wrong[0], 60)}: unknown key" if wrong else "names: missing"
        raise InputError(f"{path}: {found}; it must have names and may have {', '.join(keys[1:])}")
    try:
        return ClassFile(**{key: _CHECKS[key](key, value) for key, value in content.items()})
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def open_classes(choice: str) -> ClassFile:
    """Return the classes of ``choice``: s3dis, scannet20, the path of a classes.yaml, or names with commas."""
    if choice in KNOWN:
        return ClassFile(KNOWN[choice].names, KNOWN[choice].colors)
    if "," in choice and not choice.endswith((".yaml", ".yml")):
        return ClassFile(tuple(name.strip() for name in choice.split(",")))
    return read_class_file(choice)


def choose_classes(choice: str | Sequence[str], folder: str | Path) -> Classes:
    """Return the classes of ``choice``: auto (of the scene ``folder``), a list of names, or as for open_classes."""
    if choice == "auto":
        return scene_classes(folder)
    return open_classes(choice).classes if isinstance(choice, str) else Classes(tuple(map(str, choice)))


def _string(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(key, value, "a name, e.g. classification (in quotes if it looks like a number)")
    return value


def _strings(key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) and "," in value:
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise _wrong(key, value, "a list of names, e.g. [ground, tree] (in quotes if they look like numbers)")
    return tuple(value)


def _integers(key: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(map(_is_whole, value)):
        raise _wrong(key, value, "a list of whole numbers, e.g. [0, 255]")
    return tuple(value)


def _colors(key: str, value: Any) -> tuple[tuple[int, int, int], ...]:
    rows: list[Any] = value if isinstance(value, list) else [None]
    for row in rows:
        if not isinstance(row, list) or len(row) != 3 or not all(_is_whole(v) and 0 <= v <= 255 for v in row):
            raise _wrong(key, value, "a list of [red, green, blue] from 0 to 255")
    return tuple((r, g, b) for r, g, b in rows)


def _ids(key: str, value: Any) -> dict[int, str]:
    if not isinstance(value, dict) or not all(_is_whole(k) and isinstance(v, str) for k, v in value.items()):
        raise _wrong(key, value, "a table of number: name, e.g. {2: ground}")
    return value


def _scale(key: str, value: Any) -> float:
    if isinstance(value, str) and re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+", value):
        value = float(value)  # which is text to YAML
    if not isinstance(value, (int, float)) or isinstance(value, bool) or abs(value) > sys.float_info.max:
        raise _wrong(key, value, "a number, e.g. 0.001; it must be positive and finite")
    return float(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong(key: str, value: Any, wanted: str) -> InputError:
    return InputError(f"{key}: {cut(repr(value), 60)} should be {wanted}")


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "names": _strings, "colors": _colors, "label": _string, "instance": _string, "ids": _ids,
    "ignore": _integers, "columns": _strings, "scale": _scale, "keep": _strings,
}  # fmt: skip
