"""Fit names and types of columns to a file format; every change is reported."""

from __future__ import annotations

import re
from collections.abc import Collection

import laspy
import numpy as np
from laspy.point import dims

from pcseg.formats.columns import COLOR_ARRAYS, COORD_ARRAYS, NORMAL_ARRAYS
from pcseg.formats.defects import Defect
from pcseg.formats.encode import Columns

_HARMLESS = r"\w./%+\-"
"""Characters of names that every header can hold, as a regular expression set; in text, brackets mean units."""

_TEXT = (".xyz", ".txt", ".asc", ".csv")

_LAS = (".las", ".laz")
_LAS_NAME = 32
"""Bytes of the longest name in a LAS file."""


def fit(columns: Columns, taken: Collection[str], path: str, suffix: str) -> tuple[dict[str, np.ndarray], list[Defect]]:
    """Return ``columns`` with names and types that files of this suffix hold, beside columns called ``taken``, and a
    report.

    Names keep letters, digits and characters that are valid in all headers, and differ from each other in more than
    case. In LAS, a column such as CloudCompare's ``scalar_Intensity`` becomes the standard one where that holds its
    values, and an intensity of fractions of 1 is scaled to 16 bits.
    """
    used = {name.lower() for name in (*taken, *_ARRAYS, *(_LAS_OWN if suffix in _LAS else ()))}
    result, defects = {}, []
    for name, values in columns.items():
        fitted = _typed(values, suffix)
        if fitted is None:
            found = f"{name} holds whole numbers beyond 53 bits, which {suffix} files cannot hold"
            defects.append(Defect(path, None, found, "left out"))
            continue
        own = _own_name(name, columns, used) if suffix in _LAS else ""
        if own == "intensity" and not _fits_las(own, fitted, suffix) and _are_fractions(fitted):
            fitted, unique = np.rint(fitted.astype(np.float64) * 65535).astype(np.uint16), own
            found = f"the {suffix} field intensity holds whole numbers, not the fractions of column {name!r}"
            defects.append(Defect(path, None, found, "called intensity, written as parts of 65535"))
        else:
            unique = own if own and _fits_las(own, fitted, suffix) else _named(name, fitted, used, suffix)
            if unique != name:
                found = f"{suffix} files cannot hold a further column {name!r}"
                if own:
                    fits = "is the one for" if unique == own else "cannot hold the values of"
                    found = f"the {suffix} field {own} {fits} column {name!r}"
                defects.append(Defect(path, None, found, f"called {unique}"))
        if suffix in _LAS and unique in _STANDARD and _STANDARD[unique].kind == laspy.DimensionKind.BitField:
            fitted = fitted.astype(np.uint8)
        used.add(unique.lower())
        result[unique] = fitted
    return result, defects


def _typed(values: np.ndarray, suffix: str) -> np.ndarray | None:
    """Return ``values`` (P,) in a type of the format; None if that would change them."""
    kind = values.dtype
    if kind.kind == "b":
        return values.view(np.uint8)
    if kind.kind == "f" and kind.itemsize not in (4, 8):
        return values.astype(np.float32 if kind.itemsize < 4 else np.float64)
    if suffix == ".ply" and kind.itemsize == 8 and kind.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        for smaller in (np.int32, np.uint32):
            if np.iinfo(smaller).min <= low and high <= np.iinfo(smaller).max:
                return values.astype(smaller)
        return values.astype(np.float64) if max(-low, high) <= 2**53 else None
    if suffix == ".ply" and kind.itemsize == 8 and kind.kind in "iu":
        return values.astype(np.int32)
    return values


def _own_name(name: str, columns: Columns, used: Collection[str]) -> str:
    """Return LAS's own name for what a tool calls ``name``; "" if there is none, or another column has it."""
    own = _SPELLED.get(re.sub(r"[ _]", "", name.lower().removeprefix("scalar_")), "")
    return "" if own.lower() in used or (own != name and own in columns) else own


def _are_fractions(values: np.ndarray) -> bool:
    """Return whether all values are from 0 to 1."""
    return bool(len(values) and ((values >= 0) & (values <= 1)).all())


def _named(name: str, values: np.ndarray, used: set[str], suffix: str) -> str:
    harmless = _HARMLESS + ("" if suffix in _TEXT else r"()\[\]") + ("" if suffix in _LAS else ":")
    base = name
    if not re.fullmatch(rf"_*[A-Za-z][{harmless}]*", name, re.ASCII):
        base = re.sub(rf"[^{harmless}]+", "_", name, flags=re.ASCII).strip("_") or "column"
        base = base if base[0].isalpha() else f"column_{base}"
    most = _LAS_NAME if suffix in _LAS else 1000
    unique, number = base[:most], 2
    while unique.lower() in used or not _fits_las(unique, values, suffix):
        unique = f"{base[: most - 1 - len(str(number))]}_{number}"
        number += 1
    return unique


def _fits_las(name: str, values: np.ndarray, suffix: str) -> bool:
    """Return whether a LAS file may have a column of this name; a standard name only if its type holds the values."""
    if suffix not in _LAS or name.lower() not in _STANDARD:
        return True
    if name not in _STANDARD:
        return False  # differs from a standard name only in case
    dimension = _STANDARD[name]
    if dimension.kind == laspy.DimensionKind.FloatingPoint:
        return values.dtype.kind == "f"
    if not len(values) or not np.isfinite(values).all():
        return not len(values)
    return bool((values == np.rint(values)).all() and values.min() >= dimension.min and values.max() <= dimension.max)


_STANDARD = {d.name: d for d in laspy.PointFormat(7).dimensions}
_SPELLED = {name.replace("_", "").lower(): name for name in _STANDARD.keys() - {"scan_angle", "gps_time"}}
"""Standard names by what is left of their spellings, such as ReturnNumber and return_number. Not those of units of
their own: angles count in 0.006 degrees, and tools shift times."""

_ARRAYS = (*COORD_ARRAYS, *COLOR_ARRAYS, *NORMAL_ARRAYS)
"""Names of arrays of several columns."""

_LAS_OWN = {
    "X",
    "Y",
    "Z",
    "red",
    "green",
    "blue",
    *dims.OLD_LASPY_NAMES,
    *(n for parts in dims.COMPOSED_FIELDS.values() for n in parts),
}
"""Names of columns that LAS stores in another way, or that hold several columns."""
