"""Writes a cloud with its predicted labels, in the order it came: PLY, LAS, LAZ, PCD, NPY, NPZ or text."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import laspy
import numpy as np
from plyfile import PlyData, PlyElement

from pcseg.errors import InputError
from pcseg.files import atomic_path

Columns = Mapping[str, np.ndarray]
"""What is added to a scan, or takes the place of what it has under that name: each (P,)."""

ROWS = 1_000_000
"""Points copied at a time, so that the columns of a scan of any size never stand in memory together."""


def write_cloud(
    path: str | os.PathLike[str],
    coord: np.ndarray,
    *,
    color: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
) -> None:
    """Write P points: ``coord`` (P, 3) float64, ``color`` (P, 3) uint8, ``labels`` (P,) whole, ``confidence`` (P,).

    The columns are called x y z red green blue label confidence. Labels are written as uint8, or int16 where one is
    negative or above 255. Coordinates stay float64 unless float32 holds them exactly; LAS rounds them to 0.1 mm, text
    to a micrometre. The format follows the ending of ``path`` (see WRITERS). Atomic; raises InputError where the format
    is unknown or the place cannot be written.
    """
    path = Path(path)
    writer = writer_of(path)
    table = _table(path, coord, color, labels, confidence)
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        writer(stream, table, path)


def writer_of(path: str | os.PathLike[str]) -> Callable[[IO[bytes], np.ndarray, Path], None]:
    """The function that writes files of this ending; InputError where there is none (ask before the work is done)."""
    suffix = Path(path).suffix.lower()
    if suffix not in WRITERS:
        raise InputError(f"{path}: cannot write '{suffix}' files; choose one of {', '.join(WRITERS)}")
    return WRITERS[suffix]


def label_columns(labels: np.ndarray | None, confidence: np.ndarray | None) -> dict[str, np.ndarray]:
    """The columns ``label`` (P,), uint8 or int16 where one is negative or above 255, and ``confidence`` (P,) float32."""
    columns = {}
    if labels is not None:
        small = not len(labels) or (labels.min() >= 0 and labels.max() <= 255)
        columns["label"] = labels.astype(np.uint8 if small else np.int16)
    if confidence is not None:
        columns["confidence"] = confidence.astype(np.float32)
    return columns


def check_count(source: Path, count: int, columns: Columns) -> None:
    """Raise InputError unless the scan ``source`` still has as many points as there are labels in ``columns``."""
    read = len(columns["label"])
    if count != read:
        raise InputError(f"{source}: has {count} points, but had {read} when it was labelled; label it again")


def _table(
    path: Path, coord: np.ndarray, color: np.ndarray | None, labels: np.ndarray | None, confidence: np.ndarray | None
) -> np.ndarray:
    """A structured array (P,) of the columns to write."""
    with np.errstate(invalid="ignore", over="ignore"):
        exact = np.array_equal(coord.astype(np.float32).astype(np.float64), coord, equal_nan=True)
    columns: dict[str, np.ndarray] = dict(zip("xyz", coord.astype(np.float32 if exact else np.float64).T, strict=True))
    if color is not None:
        columns |= dict(zip(("red", "green", "blue"), color.astype(np.uint8).T, strict=True))
    columns |= label_columns(labels, confidence)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InputError(f"{path}: columns of different lengths {lengths}; give one value a point")
    table = np.empty(len(coord), dtype=[(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        table[name] = values
    return table


def _ply(stream: IO[bytes], table: np.ndarray, path: Path) -> None:
    PlyData([PlyElement.describe(table, "vertex")], byte_order="<").write(stream)


def _las(stream: IO[bytes], table: np.ndarray, path: Path) -> None:
    names = table.dtype.names or ()
    coord = np.stack([table[axis].astype(np.float64) for axis in "xyz"], axis=1)
    if not np.isfinite(coord).all():
        raise InputError(f"{path}: LAS cannot hold NaN coordinates; remove those points or write a .ply")
    header = laspy.LasHeader(point_format=7 if "red" in names else 6, version="1.4")
    extent = float(np.ptp(coord, axis=0).max()) if len(coord) else 0.0
    # 32-bit integers reach 214 km in steps of 0.1 mm; wider clouds get coarser steps
    header.scales = np.full(3, 1e-4 * 10.0 ** max(0.0, np.ceil(np.log10(max(extent, 1.0) / 2e5))))
    header.offsets = np.floor(coord.min(axis=0)) if len(coord) else np.zeros(3)
    extra = [name for name in ("label", "confidence") if name in names]
    header.add_extra_dims([laspy.ExtraBytesParams(name, table.dtype[name]) for name in extra])
    las = laspy.LasData(header)
    las.x, las.y, las.z = coord.T
    for name in extra:
        las[name] = table[name]
    for channel in ("red", "green", "blue"):
        if channel in names:
            las[channel] = table[channel].astype(np.uint16) * 257
    las.write(stream, do_compress=path.suffix.lower() == ".laz")


def _pcd(stream: IO[bytes], table: np.ndarray, path: Path) -> None:
    names = table.dtype.names or ()
    plain = [name for name in names if name not in ("red", "green", "blue")]
    kinds = [(name, table.dtype[name]) for name in plain] + [("rgb", np.dtype("<u4"))] * ("red" in names)
    packed = np.empty(len(table), dtype=kinds)
    for name in plain:
        packed[name] = table[name]
    if "red" in names:
        red, green, blue = (table[name].astype(np.uint32) for name in ("red", "green", "blue"))
        packed["rgb"] = red << 16 | green << 8 | blue
    letters = [kind.kind.upper() for _, kind in kinds]
    header = {
        "VERSION": ["0.7"], "FIELDS": [name for name, _ in kinds], "SIZE": [str(k.itemsize) for _, k in kinds],
        "TYPE": letters, "COUNT": ["1"] * len(kinds), "WIDTH": [str(len(table))], "HEIGHT": ["1"],
        "VIEWPOINT": ["0 0 0 1 0 0 0"], "POINTS": [str(len(table))], "DATA": ["binary"],
    }  # fmt: skip
    stream.write("".join(f"{key} {' '.join(values)}\n" for key, values in header.items()).encode())
    stream.write(packed.tobytes())


def _npy(stream: IO[bytes], table: np.ndarray, path: Path) -> None:
    np.save(stream, table, allow_pickle=False)


def _npz(stream: IO[bytes], table: np.ndarray, path: Path) -> None:
    names = table.dtype.names or ()
    arrays = {"coord": np.stack([table[axis] for axis in "xyz"], axis=1)}
    if "red" in names:
        arrays["color"] = np.stack([table[channel] for channel in ("red", "green", "blue")], axis=1)
    arrays |= {name: table[name] for name in names if name in ("label", "confidence")}
    np.savez(stream, allow_pickle=False, **arrays)


def _text(stream: IO[bytes], table: np.ndarray, path: Path) -> None:
    separator = "," if path.suffix.lower() == ".csv" else " "
    names = table.dtype.names or ()
    head = separator.join(names)
    stream.write(f"{head if separator == ',' else '//' + head}\n".encode())
    styles = {"f": "%.6f", "u": "%d", "i": "%d"}
    line = separator.join(styles[table.dtype[name].kind] for name in names) + "\n"
    for start in range(0, len(table), 100_000):
        rows = table[start : start + 100_000].tolist()
        stream.write("".join([line % row for row in rows]).encode())


WRITERS: dict[str, Callable[[IO[bytes], np.ndarray, Path], None]] = {
    ".ply": _ply, ".las": _las, ".laz": _las, ".pcd": _pcd, ".npy": _npy, ".npz": _npz,
    ".xyz": _text, ".txt": _text, ".asc": _text, ".csv": _text,
}  # fmt: skip
"""What each ending is written by."""
