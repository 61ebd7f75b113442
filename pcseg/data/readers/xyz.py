"""Text files of points: XYZ, TXT, ASC, CSV and PTS, with or without a line of column names."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pcseg.data.readers.cloud import Cloud
from pcseg.data.readers.columns import parsing, to_cloud
from pcseg.errors import InputError

UNNAMED = {
    3: ("x", "y", "z"),
    4: ("x", "y", "z", "label"),
    6: ("x", "y", "z", "red", "green", "blue"),
    7: ("x", "y", "z", "red", "green", "blue", "label"),
}
"""What the columns of a table without names are taken for, by their number."""

COUNTED = {4: (*UNNAMED[3], "intensity"), 7: (*UNNAMED[3], "intensity", "red", "green", "blue")}
"""The same for a file that begins with the number of its points, which is how PTS files do."""


def read_xyz(path: Path, columns: Sequence[str] = ()) -> Cloud:
    """The points of a text file: a line each, numbers separated by blanks, commas or semicolons.

    Column names come from ``columns``, else from a first line that holds names (CloudCompare's ``//X Y Z R G B``), else
    from UNNAMED. A line that is not all numbers, or too short, is an InputError that gives its number.
    """
    with parsing(path, "text"):
        with open(path, encoding="utf-8-sig", errors="replace") as stream:
            head = list(itertools.islice(stream, 20))
        skip, names, separator = _layout(head, path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # "input contained no data": told below
                rows = np.loadtxt(
                    path, delimiter=separator, skiprows=skip, comments=None, encoding="utf-8-sig", ndmin=2
                )
        except ValueError:
            raise _first_bad_line(path, skip, separator) from None
    if rows.size == 0:
        raise InputError(f"{path}: no point in it; remove the file or export it again")
    return table_cloud(rows, columns or names, path)


def table_cloud(rows: np.ndarray, names: Sequence[str], path: Path) -> Cloud:
    """The points of a table (P, C) whose columns have ``names``, or are guessed where these are none."""
    cloud = to_cloud(dict(zip(_name_columns(rows, names, path), rows.T, strict=True)), path)
    return replace(cloud, named=bool(names))


def _name_columns(rows: np.ndarray, names: Sequence[str], path: Path) -> tuple[str, ...]:
    """Names for the columns of ``rows`` (P, C): those given if they fit, else by convention."""
    width = rows.shape[1]
    if names and len(names) != width:
        raise InputError(f"{path}: {width} columns, but {len(names)} names ({' '.join(names)}); name each column")
    if names:
        return tuple(names)
    chosen = UNNAMED.get(width) or (*UNNAMED[3], *(f"column{i}" for i in range(4, width + 1)))
    if width < 3:
        raise InputError(f"{path}: {width} columns, but x, y and z are needed; check its separators")
    if "red" in chosen and rows[:, 3:6].min() < 0:
        raise InputError(f"{path}: columns 4 to 6 are negative, so not colours; write a first line of column names")
    return chosen


def _layout(head: list[str], path: Path) -> tuple[int, tuple[str, ...], str | None]:
    """Lines to skip, column names and separator (None for blanks), told from the first lines."""
    skip, names, counted = 0, "", False
    for line in head:
        tokens = _split(line)
        lone = len(tokens) == 1 and tokens[0].isdigit()
        counted |= lone
        if tokens and not lone and all(_is_number(t) for t in tokens):
            break
        skip += 1
        if len(tokens) >= 3 and not any(_is_number(t) for t in tokens):
            names = line
    else:
        if head and len(head) == skip:
            raise InputError(f"{path}: line {skip} reads {head[-1].strip()[:60]!r}; lines of numbers are needed")
        return 0, (), None
    first = head[skip]
    separator = ";" if ";" in first else "," if "," in first else None
    return skip, tuple(_split(names)) or (COUNTED.get(len(_split(first)), ()) if counted else ()), separator


def _split(line: str) -> list[str]:
    return [t for t in re.split(r"[\s,;]+", line.strip().lstrip("/#").strip()) if t]


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def _first_bad_line(path: Path, skip: int, separator: str | None) -> InputError:
    width = 0
    with open(path, encoding="utf-8-sig", errors="replace") as stream:
        for number, line in enumerate(stream, start=1):
            tokens = line.strip().split(separator)
            if number <= skip or not line.strip():
                continue
            width = width or len(tokens)
            if len(tokens) != width or not all(_is_number(t) for t in tokens):
                return InputError(
                    f"{path}: line {number} reads {line.strip()[:60]!r}, but {width} numbers are needed; mend or remove it"
                )
    return InputError(f"{path}: not a table of numbers; export the cloud again")
