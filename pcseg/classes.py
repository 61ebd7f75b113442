"""Classes: their names, their colors, and what stands for 'unknown'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from unicodedata import category

import numpy as np

from pcseg.class_colors import class_colors
from pcseg.errors import InputError

IGNORE = -1
"""Label of an element whose class is unknown, on disk and in memory."""

UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of what a name may not hold: control characters, halves of characters, ends of lines."""


@dataclass(frozen=True)
class Classes:
    """An ordered list of classes; a label is an index into it.

    Labels are matched between data sets by *name*, never by number: the field numbers the same S3DIS classes in
    three incompatible ways. ``colors``: one (red, green, blue) a class, 0 to 255; without them those of
    :func:`pcseg.class_colors.class_colors`. ``codes``: for each class the numbers that stand for it in the user's files,
    the first of them to be written; without it a class has its index. Raises InputError for what can be no such list.
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
        """Label of the class ``name``; raises InputError if there is no such class."""
        if name not in self.names:
            raise InputError(f"class '{name}' is not one of: {', '.join(self.names)}")
        return self.names.index(name)

    def to_codes(self, labels: np.ndarray) -> np.ndarray:
        """The numbers that the user's files have for ``labels`` (P,), indices or IGNORE, which stays."""
        first = [codes[0] for codes in self.codes] if self.codes else range(len(self.names))
        return np.array([*first, IGNORE], dtype=np.int64)[labels]

    def palette(self) -> np.ndarray:
        """Colors (K, 3), uint8."""
        return np.asarray(self.colors, dtype=np.uint8)


def translation(source: Sequence[str], target: Classes, merge: dict[str, str] | None = None) -> np.ndarray:
    """Table (len(source),) int64 that takes a label of ``source`` to a label of ``target``, by name.

    ``merge`` renames source classes first (``{"stairs": "clutter"}``). A source class that ``target`` lacks becomes
    IGNORE; that none of them matches is an InputError, since every label would silently be lost.
    """
    renamed = [(merge or {}).get(name, name) for name in source]
    table = np.array([target.names.index(n) if n in target.names else IGNORE for n in renamed], dtype=np.int64)
    if len(table) and (table == IGNORE).all():
        raise InputError(
            f"none of the classes {', '.join(source)} is among {', '.join(target.names)}; check the class names"
        )
    return table


def _check_names(names: Sequence[str]) -> None:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise InputError(f"classes: {names!r} is no list of names; give one like ground, tree, house")
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
    """``colors`` of plain integers, or the usual ones where there are none."""
    if not colors:
        return class_colors(names)
    if len(colors) != len(names):
        raise InputError(f"classes: {len(names)} names but {len(colors)} colors; give one color a class")
    for name, color in zip(names, colors, strict=True):
        if not _whole(color) or len(color) != 3 or min(color) < 0 or max(color) > 255:
            raise InputError(f"classes: the color {color!r} of {name}; give red, green and blue from 0 to 255")
    return tuple((int(r), int(g), int(b)) for r, g, b in colors)


def _checked_codes(codes: Sequence[Sequence[int]], names: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """``codes`` of plain integers."""
    if codes and len(codes) != len(names):
        raise InputError(f"classes: codes for {len(codes)} classes but {len(names)} names; give at least one a class")
    owner: dict[int, str] = {}
    for name, numbers in zip(names, codes, strict=False):
        if not _whole(numbers) or not numbers or min(numbers) < -(2**63) or max(numbers) >= 2**63:
            raise InputError(f"classes: the codes {numbers!r} of {name}; give at least one whole number of 64 bits")
        for number in numbers:
            if owner.setdefault(number, name) != name:
                raise InputError(
                    f"classes: the code {number} is of {owner[number]} and of {name}; give it to one class"
                )
            if number == IGNORE:
                raise InputError(f"classes: the code {IGNORE} of {name} means unlabeled; give another number")
    return tuple(tuple(int(number) for number in numbers) for numbers in codes)


def _whole(values: object) -> bool:
    """Whether ``values`` are a list of whole numbers."""
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
