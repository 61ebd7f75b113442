"""Read PTX files (Leica): stations one after another, each a grid of points with a matrix to the common frame."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.columns import to_cloud
from pcseg.formats.defects import Defect
from pcseg.formats.numerals import read_number
from pcseg.formats.parsing import parsing
from pcseg.formats.table_columns import unreadable
from pcseg.formats.text_layout import Layout
from pcseg.formats.xyz import read_lines

_NAMES = ("x", "y", "z", "intensity", "red", "green", "blue")

_LAYOUTS = {3: (0, 1, 2), 4: (0, 1, 2, 3), 6: (0, 1, 2, 4, 5, 6), 7: (0, 1, 2, 3, 4, 5, 6)}
"""Columns of a row, as indices of these names, by its number of values."""

_ROWS = 100_000
"""Lines read at a time."""

_Lines = Iterator[tuple[int, str]]


def read_ptx(path: Path) -> Cloud:
    """Return all points of a PTX file in order, in the common frame; ``fields`` has ``scan``, the station of each
    point.

    Points (0, 0, 0) are directions without a return: their coordinates become NaN, so that the number of points stays
    that of the file. If only some stations have intensities or colors, those of the others are NaN and black. Raises
    InputError with the line if a station does not match its first lines.
    """
    tables: list[np.ndarray] = []
    scans: list[np.ndarray] = []
    defects: list[Defect] = []
    with parsing(path, "PTX"), open(path, encoding="utf-8-sig", errors="replace") as stream:
        lines = ((number, line) for number, line in enumerate(stream, start=1) if line.strip("\x1a \t\r\n"))
        for station in itertools.count():
            first = next(lines, None)
            if first is None:
                break
            table = _station(first, lines, path, defects)
            tables.append(table)
            scans.append(np.full(len(table), station, dtype=np.int32))
        if not any(map(len, tables)):
            raise InputError(f"{path}: no point in it; export the cloud again")
        rows, names = _merged([table for table in tables if len(table)], path, defects)
        cloud = to_cloud({**dict(zip(names, rows.T, strict=True)), "scan": np.concatenate(scans)}, path)
    return replace(cloud, defects=(*defects, *cloud.defects))


def _station(first: tuple[int, str], lines: _Lines, path: Path, defects: list[Defect]) -> np.ndarray:
    """Return the points of one station, (P, 3, 4, 6 or 7), in the common frame."""
    begin = first[0]
    columns, rows = (int(_head(line, 1, path)[0]) for line in (first, next(lines, None)))
    count = columns * rows
    if min(columns, rows) < 0 or count > path.stat().st_size / 6:  # "0 0 0" and the end of a line
        raise InputError(
            f"{path}: line {begin} begins a grid of {columns} x {rows}, more than the file holds; copy it again"
        )
    for _ in range(4):  # the pose of the scanner, which the matrix holds too
        _head(next(lines, None), 3, path)
    matrix = np.array([_head(next(lines, None), 4, path) for _ in range(4)])
    if count == 0:
        defects.append(Defect(str(path), begin, "a station without points", "skipped"))
        return np.empty((0, 3))
    table = np.concatenate(list(_chunks(lines, count, path)))
    if len(table) < count:
        found = f"line {begin} begins a grid of {count} points, but {len(table)} follow"
        raise InputError(f"{path}: {found}; it is cut off, copy it again")
    defects += unreadable(table, [_NAMES[column] for column in _LAYOUTS[table.shape[1]]], path)
    absent = (table[:, :3] == 0).all(axis=1)
    if absent.any():
        found = f"{int(absent.sum())} of {count} points are (0, 0, 0), which means no return"
        defects.append(Defect(str(path), begin, found, "kept, with NaN as coordinates"))
    table[:, :3] = _moved(table[:, :3], matrix, f"{path}: the station of line {begin}")
    table[absent, :3] = np.nan
    return table


def _head(line: tuple[int, str] | None, count: int, path: Path) -> list[float]:
    if line is None:
        raise InputError(f"{path}: ends within the first lines of a station; it is cut off, copy it again")
    numbers = [read_number(token) for token in line[1].split()]
    if len(numbers) != count or None in numbers or (count == 1 and not line[1].strip().isdecimal()):
        wanted = "a whole number is" if count == 1 else f"{count} numbers are"
        raise InputError(f"{path}: line {line[0]} reads {line[1].strip()[:60]!r}, but {wanted} needed; export it again")
    return numbers  # type: ignore[return-value]


def _chunks(lines: _Lines, count: int, path: Path) -> Iterator[np.ndarray]:
    """Yield the rows of one station, some at a time; fewer than ``count`` if the file ends before."""
    width = 0
    while count > 0 and (chunk := list(itertools.islice(lines, min(_ROWS, count)))):
        count -= len(chunk)
        width = width or len(chunk[0][1].split())
        if width not in _LAYOUTS:
            raise InputError(
                f"{path}: line {chunk[0][0]} reads {chunk[0][1].strip()[:60]!r}; x y z intensity are needed"
            )
        try:
            table = np.loadtxt([line for _, line in chunk], comments=None, ndmin=2)
        except ValueError:
            table = np.empty((0, 0))
        if table.shape != (len(chunk), width):
            table = read_lines(chunk, Layout("", 0, None, width), path)[0].copy()
        yield table


def _moved(points: np.ndarray, matrix: np.ndarray, where: str) -> np.ndarray:
    """Return ``points`` (P, 3) times ``matrix`` (4, 4), which acts on rows (x y z 1): its last row is the station's
    position.
    """
    if np.isfinite(matrix).all() and matrix[:3, 3].any() and not matrix[3, :3].any():
        matrix = matrix.T
    if not (np.isfinite(matrix).all() and np.array_equal(matrix[:, 3], [0, 0, 0, 1])):
        raise InputError(f"{where} has a matrix that is not a transform of points; export it again")
    return points @ matrix[:3, :3] + matrix[3, :3]


def _merged(tables: list[np.ndarray], path: Path, defects: list[Defect]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the stations as one table, with all columns that any of them has."""
    used = sorted({column for table in tables for column in _LAYOUTS[table.shape[1]]})
    rows = np.empty((sum(map(len, tables)), len(used)))
    at = 0
    for table in tables:
        part = rows[at : at + len(table)]
        part[:] = [0 if column >= 4 else np.nan for column in used]
        part[:, [used.index(column) for column in _LAYOUTS[table.shape[1]]]] = table
        at += len(table)
    if len({table.shape[1] for table in tables}) > 1:
        found = "some stations have intensities or colors, others do not"
        defects.append(Defect(str(path), None, found, "NaN and black there"))
    return rows, tuple(_NAMES[column] for column in used)
