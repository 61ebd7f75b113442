"""Make a cloud of a table of numbers, whose columns are named by the file, by the user or by convention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.colors import STRAY
from pcseg.formats.columns import to_cloud
from pcseg.formats.defects import Defect
from pcseg.spool import New

XYZ, RGB, NORMAL = ("x", "y", "z"), ("red", "green", "blue"), ("nx", "ny", "nz")

NAMING = "name the columns: columns=x,y,z,... in prediction, columns: in classes.yaml, or a first line of names"
"""What to do where the columns of a table are guessed wrong or cannot be guessed."""

UNNAMED_WIDTHS = (3, 4, 6, 7)
"""Numbers of columns for which there is a convention."""

_SAMPLE = 50_000
"""Rows, spread evenly over the table, from which columns without names are recognized."""


def table_cloud(
    rows: np.ndarray, names: Sequence[str], path: Path, with_intensity: bool = False, new: New = np.zeros
) -> Cloud:
    """Return the points of a table (P, C) with column ``names``, or named by convention if there are none.

    The convention: x y z, then red green blue (or nx ny nz if all have length 1), then a label column.
    ``with_intensity``, as in PTS files and Semantic3D: x y z intensity, then red green blue. Guesses and doubts are
    reported, such as a first column that only counts the points. ``new`` makes the large arrays. Raises
    InputError if there are too many, too few or repeated names.
    """
    width, defects = rows.shape[1], []
    if not names:
        if _count(rows):
            found, remedy = "the first column counts the points", "give columns=index,x,y,z,..."
            defects.append(Defect(str(path), None, f"{found}; it is read as x", remedy))
        try:
            chosen, doubts = _conventional(rows, path, with_intensity)
        except InputError as error:
            if not defects:
                raise
            raise InputError(f"{path}: {found}, and the others are no x, y, z and colors; {remedy}") from error
        defects += [Defect(str(path), None, doubt, f"if this is wrong, {NAMING}") for doubt in doubts]
    elif len(names) != width:
        raise InputError(f"{path}: {width} columns, but {len(names)} names ({' '.join(names)}); name each column")
    else:
        chosen = tuple(names)
    if len(set(chosen)) < width:
        repeated = next(name for name in chosen if chosen.count(name) > 1)
        raise InputError(f"{path}: two columns are called {repeated}; rename one")
    cloud = to_cloud(dict(zip(chosen, rows.T, strict=True)), path, new=new)
    return replace(cloud, named=bool(names), defects=(*defects, *unreadable(rows, chosen, path), *cloud.defects))


def _conventional(rows: np.ndarray, path: Path, with_intensity: bool) -> tuple[tuple[str, ...], list[str]]:
    """Return names for the columns of ``rows`` (P, C), and doubts about them."""
    width = rows.shape[1]
    few = rows[:: max(1, len(rows) // _SAMPLE)]
    if width < 3:
        raise InputError(f"{path}: {width} columns, but x, y and z are needed; check its separators")
    if width == 4:
        if with_intensity or not _are_labels(few[:, 3]):
            return (*XYZ, "intensity"), [] if with_intensity else [
                "the last of 4 columns holds no labels: taken for intensity"
            ]
        return (*XYZ, "label"), _doubt(few[:, 3], width)
    if width == 7 and with_intensity:
        return (*XYZ, "intensity", *RGB), []
    if width == 6 and _are_normals(few[:, 3:6]):
        if np.isin(few[:, 3:6], (0, 1)).all():
            raise InputError(f"{path}: columns 4 to 6 may be colors or normals; {NAMING}")
        return (*XYZ, *NORMAL), ["columns 4 to 6 have length 1: taken for normals"]
    if width in (6, 7) and _are_returns(few[:, 3:6]):
        raise InputError(f"{path}: columns 5 and 6 look like numbers of returns, not like colors; {NAMING}")
    if width in (6, 7) and _are_colors(few[:, 3:6]):
        last, doubts = _last_of_seven(rows[:, 6], few) if width == 7 else ((), [])
        return (*XYZ, *RGB, *last), doubts
    if width == 7 and _are_colors(few[:, 4:7]):
        return (*XYZ, "intensity", *RGB), ["the last 3 of 7 columns are colors, as in Semantic3D"]
    if width in (6, 7):
        why = "negative" if (rows[:, 3:6] < 0).any() else "of different ranges"
        raise InputError(f"{path}: columns 4 to 6 are {why}, so not colors; {NAMING}")
    more = tuple(f"column{i}" for i in range(4, width + 1))
    return (*XYZ, *more), [f"{width} columns without names: only x, y and z are known"] if more else []


def _last_of_seven(last: np.ndarray, few: np.ndarray) -> tuple[tuple[str, ...], list[str]]:
    """Return "label" or "alpha" for the seventh column, after x y z and colors, and doubts about it."""
    opaque = 255 if _are_labels(few[:, 3:6]) else 1
    if (last == opaque).all():
        return ("alpha",), [f"the last of 7 columns is always {opaque}: taken for alpha"]
    if not _are_labels(few[:, 6]):
        return ("alpha",), ["the last of 7 columns holds fractions: taken for alpha"]
    doubts = _doubt(few[:, 6], 7)
    if doubts and _are_labels(few[:, 3:6]) and _are_colors(few[:, 4:7]):
        read = "7 columns without names are read as x y z red green blue label"
        doubts = [f"{read}, but may be x y z intensity red green blue, or end with intensity or alpha"]
    return ("label",), doubts


def _doubt(last: np.ndarray, width: int) -> list[str]:
    many = np.nanmax(last, initial=0) > 127 and len(np.unique(last)) > 64
    return [f"the last of {width} columns is taken for the label, but may be intensity or alpha"] if many else []


def _count(rows: np.ndarray) -> bool:
    """Return whether the first of four or more columns is 0, 1, 2, ... or 1, 2, 3, ... for ten rows or more."""
    few = rows[:_SAMPLE, 0]
    if rows.shape[1] < 4 or len(rows) < 10 or few[0] not in (0, 1):
        return False
    return bool((few == few[0] + np.arange(len(few))).all() and rows[-1, 0] == few[0] + len(rows) - 1)


def _are_labels(values: np.ndarray) -> bool:
    """Return whether nearly all values are whole numbers."""
    known = values[np.isfinite(values)]
    return known.size == 0 or float((known != np.rint(known)).mean()) <= STRAY


def _are_colors(values: np.ndarray) -> bool:
    """Return whether three columns have nearly no negative value, and a common range."""
    if float((values < 0).mean(axis=0).max()) > STRAY:
        return False
    wide = [float((column[column > 0] > 255).mean()) for column in values.T if (column > 0).any()]
    return all(share <= STRAY for share in wide) or all(share >= 0.5 for share in wide)


def _are_returns(values: np.ndarray) -> bool:
    """Return whether three columns are an intensity and, in either order, the return number and number of returns, 1 to
    15.
    """
    one, other = values[:, 1:].T
    whole = ((values[:, 1:] >= 1) & (values[:, 1:] <= 15) & (values[:, 1:] % 1 == 0)).all()
    return bool(whole and values[:, 0].max() > 15 and ((one <= other).all() or (other <= one).all()))


def _are_normals(values: np.ndarray) -> bool:
    length = np.linalg.norm(values, axis=1)
    return float((np.abs(length - 1) < 0.01).mean()) > 1 - STRAY


def unreadable(rows: np.ndarray, names: Sequence[str], path: Path) -> list[Defect]:
    """Report each column with values that are NaN or infinite."""
    if rows.dtype.kind != "f" or np.isfinite(rows.sum()):
        return []
    missing = (~np.isfinite(rows)).sum(axis=0)
    return [
        Defect(
            str(path), None, f"{count} of {len(rows)} values of {name} are no finite number", "read as NaN or infinite"
        )
        for name, count in zip(names, missing, strict=True)
        if count
    ]
