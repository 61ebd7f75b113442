"""Further columns of a scan, such as intensity: their names and which of a file's columns a scene keeps."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from pcseg.errors import InputError

USUAL = ("intensity", "return_number", "number_of_returns")
"""Columns that a scene keeps where the user does not choose."""

RESERVED = frozenset(
    ("coord", "color", "optional_color", "normal", "height", "ground_height", "ones", "labels", "weight", "row",
     "segment", "segment20", "segment200", "instance", "superpoint")
)  # fmt: skip
"""Names with a meaning of their own, which no further column may have."""


def column_name(name: str) -> str:
    """Return the name of a column as scenes and features write it: lower case, ``_`` for all but letters and digits.

    The ``scalar_`` that CloudCompare writes before names is left out: ``scalar_Scan Angle`` is ``scan_angle``.
    """
    return re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_").removeprefix("scalar_")


def by_name(fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return ``fields`` by their ``column_name``; of two with the same, the first."""
    found: dict[str, np.ndarray] = {}
    for name, values in fields.items():
        found.setdefault(column_name(name), values)
    return found


def kept_columns(
    where: str, fields: Mapping[str, np.ndarray], keep: Collection[str] | None, taken: Iterable[str] = ()
) -> dict[str, np.ndarray]:
    """Return the columns of a file that its scene keeps, each (P,), by ``column_name``.

    ``keep``: their names in any case; None takes those of USUAL that are there. ``taken`` are the columns that hold
    the labels and objects, which would give the truth away and are never kept. Numbers of 64 bits become float32.
    Raises InputError, beginning with ``where``, for a name of ``keep`` that is not there, is taken or is RESERVED.
    """
    found, hidden = by_name(fields), {column_name(name) for name in taken}
    wanted = [column_name(name) for name in (USUAL if keep is None else keep)]
    if keep is not None:
        absent = [name for name in wanted if name not in found]
        if absent:
            there = ", ".join(name for name in found if name not in hidden) or "none"
            raise InputError(f"{where}: has no column {', '.join(absent)} (there are: {there}); fix keep")
        wrong = [name for name in wanted if name in hidden or name in RESERVED]
        if wrong:
            fault = f"the column {wrong[0]} holds labels or has a meaning of its own"
            raise InputError(f"{where}: {fault}; take it from keep, or rename it")
    return {
        name: narrow(found[name]) for name in wanted if name in found and name not in hidden and name not in RESERVED
    }


def narrow(values: np.ndarray) -> np.ndarray:
    """Return a column as a scene stores it: numbers of 64 bits as float32, the others as they are."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32) if values.dtype.itemsize > 4 else values
