"""Hold the classes of a data set: names, colors, numbers in files, and the label of unknown elements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any
from unicodedata import category

import numpy as np

from pcseg.class_colors import class_colors
from pcseg.errors import InputError, cut

IGNORE = -1
"""Label of an element whose class is unknown, on disk and in memory."""

NO_LABELS = "no labels"
"""Name of the only class of a network that was trained without labels."""

UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that a name may not contain: control characters, surrogates, ends of lines."""


@dataclass(frozen=True)
class Classes:
    """An ordered list of classes; a label is an index into it.

    Labels are matched between data sets by *name*, never by number: the field numbers the same S3DIS classes in
    three incompatible ways. ``colors``: one (red, green, blue) per class, 0 to 255; default
    :func:`pcseg.class_colors.class_colors`. ``codes``: for each class its numbers in the user's files, of which the
    first is written; default the index of the class. Raises InputError for invalid names, colors or codes.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...] = ()
    codes: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        _check_names(self.names)
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "colors", _checked_colors(self.colors, self.names))
        object.__setattr__(self, "codes", _checked_codes(self.codes, self.names))

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Return the label of the class ``name``; raises InputError if there is no such class."""
        if name not in self.names:
            raise InputError(f"class '{name}' is not one of: {', '.join(self.names)}")
        return self.names.index(name)

    def to_codes(self, labels: np.ndarray) -> np.ndarray:
        """Return the numbers (P,) int64 of the user's files for ``labels`` (P,), indices or IGNORE; IGNORE stays."""
        first = [codes[0] for codes in self.codes] if self.codes else range(len(self.names))
        return np.array([*first, IGNORE], dtype=np.int64)[labels]

    def palette(self) -> np.ndarray:
        """Return the colors (K, 3), uint8."""
        return np.asarray(self.colors, dtype=np.uint8)

    def to_json(self) -> dict[str, list[Any]]:
        """Return plain lists for a JSON file, under ``names``, ``colors`` and ``codes``."""
        return {
            "names": list(self.names),
            "colors": [list(color) for color in self.colors],
            "codes": [list(codes) for codes in self.codes],
        }

    @classmethod
    def from_json(cls, value: Any) -> Classes:
        """Return the classes of a value that ``to_json`` wrote; ``colors`` and ``codes`` may be missing.

        Raises InputError for anything else.
        """
        if not isinstance(value, Mapping):
            raise InputError(f"classes: {cut(repr(value), 60)} is no table; give names, colors and codes")
        lists = {key: value.get(key, []) for key in ("names", "colors", "codes")}
        for key, values in lists.items():
            if not isinstance(values, list):
                raise InputError(f"classes: {key} are {cut(repr(values), 60)}, no list; give one value per class")
        return cls(**{key: tuple(values) for key, values in lists.items()})


def translation(source: Sequence[str], target: Classes, merge: dict[str, str] | None = None) -> np.ndarray:
    """Return the table (len(source),) int64 that maps a label of ``source`` to a label of ``target``, by name.

    ``merge`` renames source classes first (``{"stairs": "clutter"}``). A source class that ``target`` lacks maps to
    IGNORE. Raises InputError if no class matches, since every label would silently be lost.
    """
    renamed = [(merge or {}).get(name, name) for name in source]
    table = np.array([target.names.index(n) if n in target.names else IGNORE for n in renamed], dtype=np.int64)
    if len(table) and (table == IGNORE).all():
        raise InputError(
            f"none of the classes {', '.join(source)} is one of {', '.join(target.names)}; check the class names"
        )
    return table


def _check_names(names: Sequence[str]) -> None:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise InputError(f"classes: {names!r} is no list of names; give a list such as ground, tree, house")
    if not names:
        raise InputError("classes: the list is empty; name at least one class")
    for name in names:
        if not isinstance(name, str) or not name.strip() or any(category(c) in UNPRINTABLE for c in name):
            raise InputError(
                f"classes: {name!r} is no name; write one line of text, in quotation marks if it is a number"
            )
    if len(set(names)) != len(names):
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        raise InputError(f"classes: {', '.join(twice)} is listed twice; name each class once")


def _checked_colors(colors: Sequence[Sequence[int]], names: tuple[str, ...]) -> tuple[tuple[int, int, int], ...]:
    """Return ``colors`` as plain integers; the default colors if ``colors`` is empty."""
    if not colors:
        return class_colors(names)
    if len(colors) != len(names):
        raise InputError(f"classes: {len(names)} names but {len(colors)} colors; give one color per class")
    for name, color in zip(names, colors, strict=True):
        if not _whole(color) or len(color) != 3 or min(color) < 0 or max(color) > 255:
            raise InputError(f"classes: the color {color!r} of {name}; give red, green and blue from 0 to 255")
    return tuple((int(r), int(g), int(b)) for r, g, b in colors)


def _checked_codes(codes: Sequence[Sequence[int]], names: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Return ``codes`` as plain integers."""
    if codes and len(codes) != len(names):
        raise InputError(f"classes: codes for {len(codes)} classes but {len(names)} names; give at least one per class")
    owner: dict[int, str] = {}
    for name, numbers in zip(names, codes, strict=False):
        if not _whole(numbers) or not numbers or min(numbers) < -(2**63) or max(numbers) >= 2**63:
            raise InputError(f"classes: the codes {numbers!r} of {name}; give at least one whole number of 64 bits")
        for number in numbers:
            if owner.setdefault(number, name) != name:
                raise InputError(
                    f"classes: the code {number} is given to {owner[number]} and to {name}; give it to one class"
                )
            if number == IGNORE:
                raise InputError(f"classes: the code {IGNORE} of {name} means unlabeled; give another number")
    return tuple(tuple(int(number) for number in numbers) for numbers in codes)


def _whole(values: object) -> bool:
    """Return whether ``values`` is a sequence of whole numbers."""
    return isinstance(values, Sequence) and all(isinstance(v, Integral) and not isinstance(v, bool) for v in values)


S3DIS = Classes(
    names=(
        "ceiling", "floor", "wall", "beam", "column", "window", "door",
        "table", "chair", "sofa", "bookcase", "board", "clutter",
    ),
    colors=(
        (0, 255, 0), (0, 0, 255), (0, 255, 255), (255, 255, 0), (255, 0, 255), (100, 100, 255), (200, 200, 100),
        (170, 120, 200), (255, 0, 0), (200, 100, 100), (10, 200, 100), (200, 200, 200), (50, 50, 50),
    ),
)  # fmt: skip
"""The 13 classes of S3DIS in PointNet's order and colors."""

SCANNET20 = Classes(
    names=(
        "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture",
        "counter", "desk", "curtain", "refrigerator", "shower curtain", "toilet", "sink", "bathtub", "otherfurniture",
    ),
    colors=(
        (174, 199, 232), (152, 223, 138), (31, 119, 180), (255, 187, 120), (188, 189, 34), (140, 86, 75),
        (255, 152, 150), (214, 39, 40), (197, 176, 213), (148, 103, 189), (196, 156, 148), (23, 190, 207),
        (247, 182, 210), (219, 219, 141), (255, 127, 14), (158, 218, 229), (44, 160, 44), (112, 128, 144),
        (227, 119, 194), (82, 84, 163),
    ),
)  # fmt: skip
"""The 20 classes of the ScanNet v2 benchmark, in the order of their NYU40 ids."""

SCANNET20_NYU40 = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)
"""NYU40 id of each class of SCANNET20."""
