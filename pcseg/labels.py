"""Classes: their names, their colours, and what stands for 'unknown'."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pcseg.errors import InputError

IGNORE = -1
"""Label of an element whose class is unknown, on disk and in memory."""


@dataclass(frozen=True)
class Classes:
    """An ordered list of classes; a label is an index into it.

    Labels are matched between data sets by *name*, never by number: the field numbers the same S3DIS classes in
    three incompatible ways. ``colors``: one (red, green, blue) a class. ``codes``: for each class the numbers that stand
    for it in the user's files, the first of them to be written; without it a class has its index.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...] = ()
    codes: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError("classes: the list is empty; name at least one class")
        if len(set(self.names)) != len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise InputError(f"classes: {', '.join(twice)} is listed twice; name each class once")
        if not self.colors:
            object.__setattr__(self, "colors", distinct_colors(len(self.names)))
        if len(self.colors) != len(self.names):
            raise InputError(
                f"classes: {len(self.names)} names but {len(self.colors)} colours; give one colour a class"
            )
        if self.codes and (len(self.codes) != len(self.names) or not all(self.codes)):
            raise InputError(f"classes: codes {self.codes} for {len(self.names)} names; give at least one a class")

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
        """Colours (K, 3), uint8."""
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


def distinct_colors(count: int) -> tuple[tuple[int, int, int], ...]:
    """``count`` colours far apart in hue, by golden-ratio steps; the same ones at every call."""
    colors = []
    for i in range(count):
        rgb = colorsys.hsv_to_rgb((0.07 + 0.618034 * i) % 1.0, 0.55 + 0.35 * (i % 2), 0.95 - 0.2 * (i % 3))
        colors.append((round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2])))
    return tuple(colors)


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
"""The 13 classes of S3DIS in PointNet's order and colours."""

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
