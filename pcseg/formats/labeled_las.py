"""Copy a LAS or LAZ scan with columns added or replaced; everything else stays the same, byte for byte."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import lazrs
import numpy as np

from pcseg.errors import InputError
from pcseg.formats.las import pieces
from pcseg.formats.las_header import LasFile, Record, read_header
from pcseg.formats.las_points import Extra, describe, point_type, standard_names
from pcseg.formats.write import ROWS, Columns, check_count

_COLORED = {0: 2, 1: 3, 4: 5, 6: 7, 9: 10}
"""LAS point formats without colors, and the format that adds colors to each."""

_WAVES = (4, 5, 9, 10)
"""LAS point formats with waveforms. lazrs 0.8 does not restore those of 9 and 10, and writes 4 and 5 in a version that
LASzip does not read.
"""


def copy_las(stream: IO[bytes], source: Path, path: Path, columns: Columns) -> None:
    """Write the scan ``source`` with ``columns`` to ``stream``, as LAS or LAZ by the suffix of ``path``.

    Points are decompressed some at a time, in a separate process as when the scan was read. The index of COPC is left
    out, since its offsets belong to the other file; undescribed bytes are written as such. Raises InputError if
    ``source`` is damaged or its number of points has changed, if its point format cannot hold a class, or if LAZ cannot
    hold its waveforms.
    """
    columns = {
        name: v.astype(np.uint16) * 257 if name in ("red", "green", "blue") else v for name, v in columns.items()
    }
    file = read_header(source)
    check_count(source, file.count, columns)
    compressed = path.suffix.lower() == ".laz"
    kind = _COLORED.get(file.kind, file.kind) if "red" in columns else file.kind
    if compressed and kind in _WAVES:
        raise InputError(
            f"{path}: LAZ cannot hold the waveforms of point format {kind}; give an output that ends in .las"
        )
    plain, bits = standard_names(kind)
    for name in columns.keys() & bits.keys():
        _check_room(source, kind, name, columns[name], bits[name][1] >> bits[name][2])
    extras = [extra for extra in file.extras if extra.name.lower() not in columns]
    new = columns.keys() - {*plain, *bits}
    extras += [Extra(name, v.dtype.str[1:], 1, b"") for name, v in columns.items() if name in new]
    dtype = point_type(kind, extras)
    vlr = lazrs.LazVlr.new_for_compression(kind, dtype.itemsize - point_type(kind, ()).itemsize)
    start = _write_head(stream, file, kind, dtype.itemsize, extras, vlr.record_data() if compressed else b"")
    points = _changed(file, dtype, columns, bits)
    if compressed:
        try:
            packer = lazrs.ParLasZipCompressor(stream, vlr)
            for piece in points:
                packer.compress_many(piece.view(np.uint8))
            packer.done()
        except lazrs.LazrsError as error:  # lazrs does not say why writing failed
            raise OSError(str(error)) from error
    else:
        for piece in points:
            stream.write(piece.view(np.uint8).data)
    _write_tail(stream, file, start)


def _check_room(source: Path, kind: int, name: str, values: np.ndarray, most: int) -> None:
    if len(values) and values.max() > most:
        raise InputError(
            f"{source}: {name} {values.max()}, but points of format {kind} hold 0 to {most}; leave {name} out, or "
            "convert "
            "the scan to LAS 1.4 with point format 6 or later"
        )


def _changed(
    file: LasFile, dtype: np.dtype, columns: Columns, bits: dict[str, tuple[str, int, int]]
) -> Iterator[np.ndarray]:
    """Yield the points of ``file``, some at a time, with ``columns``."""
    at = 0
    for points in pieces(file, [], ROWS):
        rows = slice(at, at + len(points))
        changed = np.zeros(len(points), dtype)
        for name in dtype.names or ():
            if name in columns and name not in bits:
                changed[name] = columns[name][rows]
            elif name in (points.dtype.names or ()):
                changed[name] = points[name]
        for name in columns.keys() & bits.keys():
            whole, mask, shift = bits[name]
            changed[whole] = changed[whole] & ~np.uint8(mask) | columns[name][rows].astype(np.uint8) << shift
        yield changed
        at += len(points)


def _write_head(stream: IO[bytes], file: LasFile, kind: int, width: int, extras: list[Extra], laszip: bytes) -> int:
    """Write the header and the records before the points; returns the offset of the points."""
    with open(file.path, "rb") as original:
        records = [
            record.head + record.body(original)
            for record in file.records
            if record.user not in ("copc", "laszip encoded") and not record.is_description
        ]
    described = b"".join(describe(extra) for extra in extras)
    most = 65535 // 192 * 192
    records += [_record("LASF_Spec", 4, described[at : at + most]) for at in range(0, len(described), most)]
    if laszip:
        records.append(_record("laszip encoded", 22204, laszip))
    body = b"".join(records)
    header = bytearray(file.header)
    header[25] = max(file.minor, 2)
    start = len(header) + len(body)
    struct.pack_into("<II", header, 96, start, len(records))
    struct.pack_into("<BH", header, 104, kind | 0x80 * bool(laszip), width)
    legacy, old = struct.unpack_from("<I", header, 107)[0], kind < 6 and file.count < 1 << 32
    if file.minor < 4 or legacy:
        struct.pack_into("<I", header, 107, file.count if old else 0)
    if file.minor >= 4:
        struct.pack_into("<Q", header, 247, file.count)
    stream.write(header + body)
    return start


def _record(user: str, number: int, body: bytes) -> bytes:
    return struct.pack("<2x16sHH32x", user.encode(), number, len(body)) + body


def _write_tail(stream: IO[bytes], file: LasFile, start: int) -> None:
    """Write the records after the points, and their offsets into the header."""
    stream.seek(0, 2)
    (waves,) = struct.unpack_from("<Q", file.header, 227) if file.minor >= 3 else (0,)
    placed: list[tuple[int, Record]] = []
    with open(file.path, "rb") as original:
        for record in file.extended:
            if record.user != "copc":
                placed.append((stream.tell(), record))
                stream.write(record.head)
                original.seek(record.start)
                for at in range(0, record.length, 1 << 24):
                    stream.write(original.read(min(1 << 24, record.length - at)))
    if file.minor >= 3:
        stream.seek(227)
        stream.write(struct.pack("<Q", next((at for at, record in placed if record.start - 60 == waves), 0)))
    if file.minor >= 4:
        stream.write(struct.pack("<QI", placed[0][0] if placed else 0, len(placed)))
    stream.seek(0, 2)
