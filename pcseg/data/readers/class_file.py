"""classes.yaml: what the labels in a user's own point files mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pcseg.data.scene import scene_classes
from pcseg.errors import InputError
from pcseg.labels import IGNORE, S3DIS, SCANNET20, Classes

USUAL_LABELS = (
    "label", "labels", "class", "classification", "segment", "semantic",
    "scalar_label", "scalar_labels", "scalar_class", "scalar_classification",
)  # fmt: skip
"""Where labels are looked for if the file does not say; CloudCompare puts ``scalar_`` before names."""

KNOWN = {"s3dis": S3DIS, "scannet20": SCANNET20}


@dataclass(frozen=True)
class ClassFile:
    """The keys of classes.yaml; only ``names`` must be there.

    ``names``: the classes, in order. ``colors``: one [r, g, b] (0 to 255) a class. ``label``: name of the column or
    property with the labels (else one of USUAL_LABELS). ``instance``: the same for object numbers. ``ids``: what each
    number in the files means, {2: ground}; without it, number i is the i-th name. ``ignore``: numbers that mean
    unlabelled, besides -1 and NaN. ``columns``: names of the columns of text and .npy files without them. ``scale``:
    metres per unit of the coordinates, 0.001 for millimetres.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...] = ()
    label: str = ""
    instance: str = ""
    ids: Mapping[int, str] = field(default_factory=dict)
    ignore: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    scale: float = 1.0

    def __post_init__(self) -> None:
        classes = self.classes  # made here, so that a wrong list is told at once
        for name in self.ids.values():
            classes.index(name)
        if not self.scale > 0:
            raise InputError(f"scale: {self.scale} must be positive, metres per unit")

    @property
    def classes(self) -> Classes:
        return Classes(self.names, self.colors)

    def segment(self, values: np.ndarray, where: str) -> np.ndarray:
        """Labels (P,) int64 of the numbers ``values`` (P,) found in a file; a number of no meaning is an InputError."""
        known = dict.fromkeys((*self.ignore, IGNORE), IGNORE)
        known |= {i: self.names.index(n) for i, n in (self.ids or dict(enumerate(self.names))).items()}
        numbers, inverse, counts = np.unique(
            np.nan_to_num(values.astype(np.float64), nan=IGNORE), return_inverse=True, return_counts=True
        )
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            if number not in known:
                at = int(np.flatnonzero(values == number)[0])
                raise InputError(
                    f"{where}: label {number:g} ({count} points, first is {at}) means no class; "
                    "add it to classes.yaml under ids: or ignore:"
                )
        return np.array([known[int(n)] for n in numbers], dtype=np.int64)[inverse.reshape(-1)]


def read_class_file(path: str | Path) -> ClassFile:
    """Read a classes.yaml; misspelt keys, wrong types and unknown names are an InputError that names the file."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; write one with a line like 'names: [ground, tree, house]'") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not a readable YAML file ({' '.join(str(error).split())})") from error
    if isinstance(content, list):
        content = {"names": content}
    keys = [f.name for f in fields(ClassFile)]
    wrong = sorted(set(map(str, content)) - set(keys)) if isinstance(content, dict) else ["(no keys)"]
    if wrong or "names" not in content:
        found = f"{wrong[0]}: unknown key" if wrong else "names: missing"
        raise InputError(f"{path}: {found}; it must have names and may have {', '.join(keys[1:])}")
    try:
        return ClassFile(**{key: _CHECKS[key](value) for key, value in content.items()})
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error


def open_classes(choice: str) -> ClassFile:
    """``choice`` is s3dis, scannet20, the path of a classes.yaml, or names with commas between them."""
    if choice in KNOWN:
        return ClassFile(KNOWN[choice].names, KNOWN[choice].colors)
    if "," in choice and not choice.endswith((".yaml", ".yml")):
        return ClassFile(tuple(name.strip() for name in choice.split(",")))
    return read_class_file(choice)


def choose_classes(choice: str | Sequence[str], folder: str | Path) -> Classes:
    """``choice`` is auto (what the scene ``folder`` says), a list of names, or what :func:`open_classes` takes."""
    if choice == "auto":
        return scene_classes(folder)
    return open_classes(choice).classes if isinstance(choice, str) else Classes(tuple(map(str, choice)))


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise TypeError(f"{value!r} should be a list of names, e.g. [ground, tree]")
    return tuple(value)


def _integers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(isinstance(v, int) and not isinstance(v, bool) for v in value):
        raise TypeError(f"{value!r} should be a list of whole numbers, e.g. [0, 255]")
    return tuple(value)


def _colors(value: Any) -> tuple[tuple[int, int, int], ...]:
    rows = [_integers(row) for row in value] if isinstance(value, list) else [()]
    if any(len(row) != 3 or min(row) < 0 or max(row) > 255 for row in rows):
        raise TypeError(f"colors: {value!r} should be a list of [red, green, blue] from 0 to 255")
    return tuple((r, g, b) for r, g, b in rows)


def _ids(value: Any) -> dict[int, str]:
    if not isinstance(value, dict) or not all(isinstance(k, int) and isinstance(v, str) for k, v in value.items()):
        raise TypeError(f"ids: {value!r} should be a table of number: name, e.g. {{2: ground}}")
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "names": _strings, "colors": _colors, "label": str, "instance": str, "ids": _ids,
    "ignore": _integers, "columns": _strings, "scale": float,
}  # fmt: skip
