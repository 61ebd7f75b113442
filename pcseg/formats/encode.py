"""Encode named columns of points as PLY, LAS, LAZ, PCD, NPY, NPZ and text, some points at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import laspy
import numpy as np

from pcseg.errors import InputError
from pcseg.spool import pieces

Columns = Mapping[str, np.ndarray]
"""Columns of points by name, each (P,), with at least x, y and z."""

ROWS = 1_000_000
"""Points copied at a time, so that the columns of a large scan are never all in memory at once."""

Writer = Callable[[IO[bytes], Columns, Path, Sequence[str]], None]

_PLY_TYPES = {
    "i1": "char", "u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int", "u4": "uint",
    "f4": "float", "f8": "double",
}  # fmt: skip
_TRIPLES = {"coord": ("x", "y", "z"), "color": ("red", "green", "blue"), "normal": ("nx", "ny", "nz")}


def writer_of(path: Path) -> Writer:
    """Return the function that writes files of this suffix; raises InputError if there is none (call it before the
    work).
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITERS:
        found = f"cannot write '{suffix}' files" if suffix else "its name has no suffix, which gives the format"
        raise InputError(f"{path}: {found}; choose one of {', '.join(WRITERS)}")
    return WRITERS[suffix]


def las_scales(coord: Sequence[np.ndarray]) -> np.ndarray:
    """Return the steps (3,) of the axes ``coord`` in LAS: 0.1 mm, times 10, 100, ... for extents that are too long.

    32-bit integers reach 214 km in steps of 0.1 mm.
    """
    with np.errstate(invalid="ignore"):
        extent = np.array([float(np.ptp(axis)) if len(axis) else 0.0 for axis in coord])
    return 1e-4 * 10.0 ** np.ceil(np.log10(np.maximum(extent / 2e5, 1.0)))


def check_places(path: Path, coord: Sequence[np.ndarray]) -> None:
    """Raise InputError if a file of this suffix cannot hold coordinates x, y and z, (P,) each (call it before the
    work).
    """
    numbers = (np.isfinite(piece).all() for axis in coord for _, piece in pieces(axis))
    if path.suffix.lower() in (".las", ".laz") and not all(numbers):
        raise InputError(f"{path}: LAS cannot hold NaN coordinates; remove those points or write a .ply")


def _count(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _tables(columns: Columns) -> tuple[np.dtype, Iterator[np.ndarray]]:
    """Return the little-endian dtype of a point, and structured arrays of ROWS points each."""
    kind = np.dtype([(name, values.dtype.newbyteorder("<")) for name, values in columns.items()])
    count = _count(columns)

    def tables() -> Iterator[np.ndarray]:
        for start in range(0, count, ROWS):
            table = np.empty(min(ROWS, count - start), kind)
            for name, values in columns.items():
                table[name] = values[start : start + ROWS]
            yield table

    return kind, tables()


def _ply(stream: IO[bytes], columns: Columns, path: Path, remarks: Sequence[str]) -> None:
    """Write binary PLY; ``remarks`` are lines of the header, "comment ..." or "obj_info ..."."""
    kind, tables = _tables(columns)
    lines = ["ply", "format binary_little_endian 1.0", *remarks, f"element vertex {_count(columns)}"]
    lines += [f"property {_PLY_TYPES[kind[name].str[1:]]} {name}" for name in columns]
    stream.write("".join(f"{line}\n" for line in (*lines, "end_header")).encode("ascii", "backslashreplace"))
    for table in tables:
        stream.write(table.tobytes())


def _las(stream: IO[bytes], columns: Columns, path: Path, remarks: Sequence[str]) -> None:
    coord = [columns[axis] for axis in "xyz"]
    check_places(path, coord)
    header = laspy.LasHeader(point_format=7 if "red" in columns else 6, version="1.4")
    header.scales = las_scales(coord)
    header.offsets = np.array([np.floor(axis.min()) if len(axis) else 0.0 for axis in coord])
    standard = set(header.point_format.dimension_names)
    extra = [name for name in columns if name not in standard and name not in "xyz"]
    header.add_extra_dims([laspy.ExtraBytesParams(name, columns[name].dtype) for name in extra])
    compress = path.suffix.lower() == ".laz"
    with laspy.open(stream, mode="w", header=header, do_compress=compress, closefd=False) as writer:
        for table in _tables(columns)[1]:
            points = laspy.ScaleAwarePointRecord.zeros(len(table), header=header)
            for name in columns:
                if name in ("red", "green", "blue"):  # 16 bits
                    points[name] = table[name].astype(np.uint16) * 257
                else:
                    points[name] = table[name].astype(np.float64) if name in "xyz" else table[name]
            writer.write_points(points)


def _pcd(stream: IO[bytes], columns: Columns, path: Path, remarks: Sequence[str]) -> None:
    if "red" in columns:
        red, green, blue = (columns[name].astype(np.uint32) for name in ("red", "green", "blue"))
        columns = {n: v for n, v in columns.items() if n not in ("red", "green", "blue")} | {
            "rgb": red << 16 | green << 8 | blue
        }
    kind, tables = _tables(columns)
    count, kinds = str(_count(columns)), [kind[name] for name in columns]
    header = {
        "VERSION": ["0.7"], "FIELDS": list(columns), "SIZE": [str(k.itemsize) for k in kinds],
        "TYPE": [k.kind.upper() for k in kinds], "COUNT": ["1"] * len(kinds), "WIDTH": [count], "HEIGHT": ["1"],
        "VIEWPOINT": ["0 0 0 1 0 0 0"], "POINTS": [count], "DATA": ["binary"],
    }  # fmt: skip
    stream.write("".join(f"{key} {' '.join(values)}\n" for key, values in header.items()).encode())
    for table in tables:
        stream.write(table.tobytes())


def _npy(stream: IO[bytes], columns: Columns, path: Path, remarks: Sequence[str]) -> None:
    kind, tables = _tables(columns)
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (_count(columns),)}
    (np.lib.format.write_array_header_1_0 if len(columns) < 500 else np.lib.format.write_array_header_2_0)(
        stream, header
    )
    for table in tables:
        stream.write(table.tobytes())


def _npz(stream: IO[bytes], columns: Columns, path: Path, remarks: Sequence[str]) -> None:
    with zipfile.ZipFile(stream, "w") as archive:
        left = dict(columns)
        for name, axes in _TRIPLES.items():
            if axes[0] in left:
                _member(archive, name, np.stack([left.pop(axis) for axis in axes], axis=1))
        for name, values in left.items():
            _member(archive, name, values)


def _member(archive: zipfile.ZipFile, name: str, values: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)


def _text(stream: IO[bytes], columns: Columns, path: Path, remarks: Sequence[str]) -> None:
    separator = "," if path.suffix.lower() == ".csv" else " "
    rgb = [name for name in ("red", "green", "blue") if name in columns]
    if (
        rgb and max(columns[name].max(initial=0) for name in rgb) == 1
    ):  # would be read as fractions of 1, so written as such
        columns = {**columns, **{name: columns[name] / np.float32(255) for name in rgb}}
    head = separator.join(columns)
    stream.write(f"{head if separator == ',' else '//' + head}\n".encode())
    line = separator.join(_style(name, values.dtype) for name, values in columns.items()) + "\n"
    for start in range(0, _count(columns), 100_000):
        rows = zip(*(values[start : start + 100_000].tolist() for values in columns.values()), strict=True)
        stream.write("".join([line % row for row in rows]).encode())


def _style(name: str, kind: np.dtype) -> str:
    """Return the format of a number: micrometers for coordinates, integers, and other columns to their last bit."""
    if name in ("x", "y", "z", "confidence"):
        return "%.6f"
    return "%d" if kind.kind in "iu" else "%.9g" if kind.itemsize == 4 else "%r"


WRITERS: dict[str, Writer] = {
    ".ply": _ply, ".las": _las, ".laz": _las, ".pcd": _pcd, ".npy": _npy, ".npz": _npz,
    ".xyz": _text, ".txt": _text, ".asc": _text, ".csv": _text,
}  # fmt: skip
"""Functions that write files, by suffix."""
