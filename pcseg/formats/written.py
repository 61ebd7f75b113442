"""Check a written file by reading it back before it takes its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pcseg.archives import read_npz
from pcseg.formats.encode import ROWS, Columns
from pcseg.formats.las import pieces
from pcseg.formats.las_header import LasFile, read_header
from pcseg.formats.las_points import standard_names
from pcseg.formats.pcd import open_pcd
from pcseg.formats.ply import open_ply
from pcseg.formats.xyz import read_xyz
from pcseg.spool import let_go

_TEXT = 0.5e-6
"""Half a step of coordinates and confidences in text."""


def check_written(temporary: Path, suffix: str, columns: Columns) -> None:
    """Raise ValueError unless the file ``temporary``, in the format of ``suffix``, holds these ``columns`` (P,) in
    order.

    Coordinates may differ by half a step of the format; all else must be equal. Large files are compared in pieces.
    """
    if suffix in (".las", ".laz"):  # which have 16 bits per color
        wide = ("red", "green", "blue")
        columns = {n: v.astype(np.uint16) * 257 if n in wide and v.dtype == np.uint8 else v for n, v in columns.items()}
    steps, tables = _opened(temporary, suffix, columns)
    wanted, at = len(next(iter(columns.values()))), 0
    for table in tables:
        absent = [name for name in columns if name not in table]
        if absent:
            raise ValueError(f"{absent[0]} is not among its columns {', '.join(table)}")
        count = len(next(iter(table.values())))
        if at + count <= wanted:
            for name, values in columns.items():
                _compare(name, table[name], values[at : at + count], steps.get(name, 0.0), at)
        at += count
        let_go(*columns.values())
    if at != wanted:
        raise ValueError(f"{at} points instead of {wanted}")


def _compare(name: str, found: np.ndarray, wanted: np.ndarray, step: float, at: int) -> None:
    if wanted.dtype == np.float32:
        found = found.astype(np.float32)
    same = found == wanted
    if not same.all():
        a, b = found.astype(np.float64), wanted.astype(np.float64)
        with np.errstate(invalid="ignore"):
            rounding = np.spacing(np.abs(wanted if wanted.dtype.kind == "f" else b)).astype(np.float64)
            near = np.abs(a - b) <= step * (1 + 1e-6) + 4 * rounding * bool(step)
        same = same | (np.isnan(a) & np.isnan(b)) | near
    if not same.all():
        i = int(np.argmin(same))
        raise ValueError(f"{name} of point {at + i} is {found[i]:.12g} instead of {wanted[i]:.12g}")


def _opened(path: Path, suffix: str, columns: Columns) -> tuple[dict[str, float], Iterator[dict[str, np.ndarray]]]:
    """Return half a step for each rounded column, and the columns of a file in pieces."""
    if suffix in (".las", ".laz"):
        file = read_header(path)
        return dict(zip("xyz", np.abs(file.scale) / 2, strict=True)), _las(file, list(columns))
    if suffix == ".ply":
        return {}, _pieces(dict(open_ply(path).columns))
    if suffix == ".pcd":
        return {}, _pieces(_unpacked(open_pcd(path).columns))
    if suffix == ".npy":
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        return {}, _pieces({name: array[name] for name in array.dtype.names})
    if suffix == ".npz":
        return {}, _pieces(_split_arrays(read_npz(path)[0]))
    cloud = read_xyz(path)
    found = dict(zip("xyz", cloud.coord.T, strict=True)) | cloud.fields
    for axes, values in ((("red", "green", "blue"), cloud.color), (("nx", "ny", "nz"), cloud.normal)):
        if values is not None:
            found |= dict(zip(axes, values.T, strict=True))
    return dict.fromkeys(("x", "y", "z", "confidence"), _TEXT), _pieces(found)


def _las(file: LasFile, names: list[str]) -> Iterator[dict[str, np.ndarray]]:
    bits = standard_names(file.kind)[1]
    for points in pieces(file, [], ROWS):
        found = {axis: points[axis.upper()] * file.scale[i] + file.offset[i] for i, axis in enumerate("xyz")}
        for name in names:
            if name in (points.dtype.names or ()) and name not in found:
                found[name] = points[name]
            elif name in bits:
                whole, mask, shift = bits[name]
                found[name] = (points[whole] & mask) >> shift
        yield found


def _pieces(columns: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    for start in range(0, len(next(iter(columns.values()))), ROWS):
        yield {name: values[start : start + ROWS] for name, values in columns.items()}


def _unpacked(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if "rgb" not in columns:
        return columns
    shifts = {"red": 16, "green": 8, "blue": 0}
    return columns | {name: (columns["rgb"] >> shift & 255).astype(np.uint8) for name, shift in shifts.items()}


def _split_arrays(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    axes = {"coord": ("x", "y", "z"), "color": ("red", "green", "blue"), "normal": ("nx", "ny", "nz")}
    columns: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        columns |= dict(zip(axes[name], values.T, strict=True)) if name in axes else {name: values}
    return columns
