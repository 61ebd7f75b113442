"""Write a cloud with its predicted labels, in the order of its points: PLY, LAS, LAZ, PCD, NPY, NPZ or text."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.files import atomic_path
from pcseg.formats.defects import Defect
from pcseg.formats.encode import ROWS, WRITERS, Columns, las_scales, writer_of
from pcseg.formats.fitted import fit
from pcseg.formats.written import check_written

__all__ = ["ROWS", "WRITERS", "Columns", "check_count", "label_columns", "save", "write_cloud", "writer_of"]


def write_cloud(
    path: str | os.PathLike[str],
    coord: np.ndarray,
    *,
    color: np.ndarray | None = None,
    normal: np.ndarray | None = None,
    fields: Mapping[str, np.ndarray] | None = None,
    labels: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
    names: Mapping[int, str] | None = None,
) -> tuple[Defect, ...]:
    """Write P points: ``coord`` (P, 3) float64, ``color`` (P, 3) uint8, ``labels`` (P,) integer, ``confidence`` (P,).

    The columns are x y z red green blue nx ny nz, then ``fields`` (each (P,)) by their names, label, confidence. Labels
    are written as uint8, or the smallest signed type that holds them; ``names`` (number: class) become comments in PLY.
    Coordinates stay float64 unless float32 holds them exactly; LAS rounds them to 0.1 mm, text to a micrometer. The
    format follows the suffix of ``path`` (see WRITERS).

    Returns a report of everything changed or left out: names and types that the format does not have, coarser steps of
    LAS. The file appears complete or not at all; raises InputError if it does not read back equal, if the format is
    unknown or if it cannot be written.
    """
    path = Path(path)
    writer_of(path)
    suffix = path.suffix.lower()
    columns: dict[str, np.ndarray] = dict(zip("xyz", _coordinates(coord).T, strict=True))
    if color is not None:
        columns |= dict(zip(("red", "green", "blue"), color.astype(np.uint8).T, strict=True))
    if normal is not None:
        columns |= dict(zip(("nx", "ny", "nz"), normal.astype(np.float32).T, strict=True))
    added, changes = fit(label_columns(labels, confidence), columns, str(path), suffix)
    kept, defects = fit(fields or {}, (*columns, *added), str(path), suffix)
    columns |= kept | added
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InputError(f"{path}: columns of different lengths {lengths}; give one value per point")
    if suffix in (".las", ".laz"):
        steps = las_scales([columns[axis] for axis in "xyz"])
        defects += [
            Defect(
                str(path),
                None,
                f"{axis} extends over {np.ptp(columns[axis]) / 1000:.0f} km",
                f"written in steps of {step:g} m",
            )
            for axis, step in zip("xyz", steps, strict=True)
            if step > 1e-4
        ]
    save(path, columns, class_remarks(names))
    return (*changes, *defects)


def save(path: Path, columns: Columns, remarks: Sequence[str] = ()) -> None:
    """Write ``columns`` unchanged to ``path``, atomically, and check that they read back equal."""
    writer = writer_of(path)
    with (
        atomic_path(path, check=lambda temporary: check_written(temporary, path.suffix.lower(), columns)) as temporary,
        open(temporary, "wb") as stream,
    ):
        writer(stream, columns, path, remarks)


def label_columns(labels: np.ndarray | None, confidence: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the columns ``label`` (P,), uint8 or the smallest signed type that fits, and ``confidence`` (P,)
    float32.
    """
    columns = {}
    if labels is not None:
        low, high = (int(labels.min()), int(labels.max())) if len(labels) else (0, 0)
        kinds = (np.uint8, np.int16, np.int32, np.int64)
        columns["label"] = labels.astype(next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max))
    if confidence is not None:
        columns["confidence"] = confidence.astype(np.float32)
    return columns


def class_remarks(names: Mapping[int, str] | None) -> list[str]:
    """Return comments that give the class of each number, such as ``comment class 2 ground``."""
    return [f"comment class {number} {' '.join(name.split())}" for number, name in (names or {}).items()]


def check_count(source: Path, count: int, columns: Columns) -> None:
    """Raise InputError unless the scan ``source`` still has one point per label in ``columns``."""
    read = len(columns["label"])
    if count != read:
        raise InputError(f"{source}: has {count} points, but had {read} when it was labeled; label it again")


def _coordinates(coord: np.ndarray) -> np.ndarray:
    """Return ``coord`` (P, 3) as float32 if that is exact, else float64."""
    for start in range(0, len(coord), ROWS):
        piece = coord[start : start + ROWS]
        with np.errstate(invalid="ignore", over="ignore"):
            if not np.array_equal(piece.astype(np.float32).astype(np.float64), piece, equal_nan=True):
                return coord.astype(np.float64, copy=False)
    return coord.astype(np.float32)
