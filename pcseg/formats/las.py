"""Read LAS and LAZ files of every version, with all their columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.columns import COORD_ARRAYS, to_cloud
from pcseg.formats.defects import Defect
from pcseg.formats.las_header import LasFile, read_header
from pcseg.formats.las_points import standard_names
from pcseg.formats.laz import unpack
from pcseg.formats.parsing import parsing
from pcseg.spool import New, let_go

ROWS = 1 << 16
"""Points decoded at a time, few enough for the caches of a processor."""


def read_las(path: Path, new: New = np.zeros) -> Cloud:
    """Return the points of a LAS or LAZ file, with offset and scale applied in float64.

    ``fields`` are all other columns under laspy's names, with flags and bit fields as columns of their own. A described
    column of two or three numbers becomes fields ``name[0]``, ``name[1]``, ...; its scale is applied in float64.
    No-data values are kept and reported, as are points outside the bounds in the header, undescribed bytes and other
    defects. A column of zeros takes no memory. ``new`` makes the large arrays.
    """
    with parsing(path, "LAS"), np.errstate(invalid="ignore", over="ignore"):
        file = read_header(path)
        defects = list(file.defects)
        found = pieces(file, defects)
        sources = _sources(file)
        coord = new((file.count, 3), np.float64)
        columns: dict[str, np.ndarray] = {}
        ends = np.zeros((2, 3), np.int64)
        at = 0
        for points in found:
            rows = slice(at, at + len(points))
            for axis, name in enumerate("XYZ"):
                np.multiply(points[name], file.scale[axis], out=coord[rows, axis])
                least, most = points[name].min(), points[name].max()
                ends[:, axis] = (min(ends[0, axis], least), max(ends[1, axis], most)) if at else (least, most)
            coord[rows] += file.offset
            for name, source in sources.items():
                values = source.take(points)
                if values.any():
                    if name not in columns:
                        columns[name] = new((file.count,), source.kind)
                    columns[name][rows] = values
            at += len(points)
            let_go(coord, *columns.values())
        columns = {n: columns[n] if n in columns else np.zeros(file.count, s.kind) for n, s in sources.items()}
        defects += _outside(file, ends * file.scale + file.offset, coord)
        _apply_descriptions(file, columns, defects, new)
        further = [name for extra in file.extras for name in extra.names]
        unsorted = {name: columns.pop(name) for name in ("red", "green", "blue", *further) if name in columns}
        unsorted[next(name for name in COORD_ARRAYS if name not in unsorted)] = coord
        cloud = to_cloud(unsorted, path, new=new)
        return replace(cloud, fields=columns | cloud.fields, defects=(*defects, *cloud.defects))


def pieces(file: LasFile, defects: list[Defect], rows: int = ROWS) -> Iterator[np.ndarray]:
    """Return the points of ``file`` in pieces of at most ``rows``, structured arrays of its dtype; see
    ``laz.unpack``.
    """
    if file.compressed:
        return (whole[at : at + rows] for whole in unpack(file, defects) for at in range(0, len(whole), rows))
    return _uncompressed(file, rows)


def _uncompressed(file: LasFile, rows: int) -> Iterator[np.ndarray]:
    with open(file.path, "rb", buffering=0) as stream:
        stream.seek(file.start)
        for at in range(0, file.count, rows):
            points = np.empty(min(rows, file.count - at), file.dtype)
            view, got = points.view(np.uint8), 0
            while got < len(view):
                read = stream.readinto(view[got:].data)
                if not read:
                    raise InputError(f"{file.path}: became shorter while it was read; read it again")
                got += read
            yield points


@dataclass(frozen=True)
class _Source:
    """The source of a column: the field ``whole`` of a point, some of its bits, or one of its numbers."""

    whole: str
    kind: np.dtype
    mask: int = 0
    shift: int = 0
    index: int | None = None

    def take(self, points: np.ndarray) -> np.ndarray:
        values = points[self.whole]
        if self.index is not None:
            values = values[:, self.index]
        return (values & self.mask) >> self.shift if self.mask else values


def _sources(file: LasFile) -> dict[str, _Source]:
    plain, bits = standard_names(file.kind)
    found = {name: _Source(name, file.dtype[name]) for name in plain if name not in ("X", "Y", "Z")}
    found |= {name: _Source(whole, np.dtype(np.uint8), mask, shift) for name, (whole, mask, shift) in bits.items()}
    for extra in file.extras:
        for index, name in enumerate(extra.names):
            found[name] = _Source(extra.name, extra.dtype.base, index=None if extra.width == 1 else index)
    return found


def _apply_descriptions(file: LasFile, columns: dict[str, np.ndarray], defects: list[Defect], new: New) -> None:
    """Convert the stored numbers of described columns to values."""
    where = str(file.path)
    for extra in file.extras:
        missing = 0
        for index, name in enumerate(extra.names):
            values = columns[name]
            if extra.no_data is not None:
                with np.errstate(over="ignore", invalid="ignore"):
                    missing += int((values == extra.no_data[index].astype(values.dtype)).sum())
            scale = 1.0 if extra.scale is None else float(extra.scale[index])
            offset = 0.0 if extra.offset is None else float(extra.offset[index])
            if not scale or not np.isfinite([scale, offset]).all():
                found = f"{name} has the scale {scale:g} and the offset {offset:g}"
                defects.append(Defect(where, None, found, "its values are kept as they are stored"))
            elif (scale, offset) != (1.0, 0.0):
                columns[name] = np.multiply(values, scale, out=new(values.shape, np.result_type(values, scale)))
                columns[name] += offset
        if missing:
            found = f"{missing} values of {extra.name} mean no data"
            defects.append(Defect(where, None, found, "kept as they are"))


def _outside(file: LasFile, ends: np.ndarray, coord: np.ndarray) -> list[Defect]:
    """Report points far outside the bounds in the header: it is out of date, or the points are damaged.

    ``ends`` (2, 3) are the smallest and largest coordinates of ``coord`` (P, 3).
    """
    low, high = file.bounds
    if not len(coord) or not np.isfinite(file.bounds).all() or (low > high).any() or not file.bounds.any():
        return []
    slack = 2 * np.abs(file.scale) + 0.01 * (high - low)
    low, high = low - slack, high + slack
    if ((ends >= low) & (ends <= high)).all():
        return []
    count = int(((coord < low) | (coord > high)).any(axis=1).sum())
    return [Defect(str(file.path), None, f"{count} points lie outside the bounds in its header", "kept")]
