"""Check LAZ files and decompress their points in a separate process."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats import bounded
from pcseg.formats.defects import Defect
from pcseg.formats.las_header import LasFile, check_surplus

_ITEMS = {0: [6], 1: [6, 7], 2: [6, 8], 3: [6, 7, 8], 4: [6, 7, 9], 5: [6, 7, 8, 9]}
_ITEMS |= {6: [10], 7: [10, 11], 8: [10, 12], 9: [10, 13], 10: [10, 12, 13]}
"""Types of the items in which the points of each format are compressed; extra bytes are one more item."""

_VARIABLE = 0xFFFFFFFF  # as the chunk size: each chunk has its own
_DENSEST = 200
"""Largest number of points per byte: scans have less than one, all-zero points up to 140."""

_CHILD = Path(__file__).with_name("laz_child.py")


def unpack(file: LasFile, defects: list[Defect]) -> Iterator[np.ndarray]:
    """Return the points of a LAZ file in pieces, each a structured array of ``file.dtype``.

    Memory and time are limited by the contents of the file. Raises InputError at the call, not at the first piece, if
    the counts disagree or lazrs does not support the file; ``defects`` gains the changes made in reading.
    """
    width = file.dtype.itemsize
    record, compressor, chunk = _record(file)
    table = 0 if compressor == 1 else _table(file, chunk, defects)
    request = {
        "path": str(file.path), "start": file.start, "count": file.count, "width": width, "vlr": record.hex(),
        "table": table, "layered": compressor == 3,
    }  # fmt: skip
    if not file.count:
        return iter(())
    # A group of chunks holds at most a million points and one chunk, and this share of the file.
    memory = bounded.MEMORY + 3 * min(file.count, 9_000_000) * width + 2 * min(file.size, 1 << 32)
    found = bounded.pieces(file.path, "LAZ", _CHILD, request, memory=memory)
    held = next(found)[0]["held"]
    if held is not None and held < file.count:
        raise InputError(
            f"{file.path}: {held} points, but its header says {file.count}; it is damaged, copy or export it again"
        )
    if held is not None:
        check_surplus(file.path, file.count, held, defects)
    return (buffer.view(file.dtype) for _, buffers in found for buffer in buffers)


def _record(file: LasFile) -> tuple[bytes, int, int]:
    """Return the LASzip record, its compressor and the points in a chunk; raises InputError if lazrs cannot read
    them.
    """
    with open(file.path, "rb") as stream:
        found = [r.body(stream) for r in file.records if (r.user, r.number) == ("laszip encoded", 22204)]
    if not found or len(found[0]) < 34:
        raise _unknown(file, "it has no record of how it is compressed")
    body = found[0]
    compressor, coder, chunk = struct.unpack_from("<HH8xI", body)
    (count,) = struct.unpack_from("<H", body, 32)
    if compressor not in (1, 2, 3) or coder:
        raise _unknown(file, f"compressor {compressor}, coder {coder}")
    if len(body) < 34 + 6 * count or not count:
        raise _unknown(file, f"{count} items in a record of {len(body)} bytes")
    items = [struct.unpack_from("<HHH", body, 34 + 6 * k) for k in range(count)]
    wanted = list(_ITEMS[file.kind])
    if sum(extra.dtype.itemsize for extra in file.extras):
        wanted.append(14 if file.kind > 5 else 0)
    if [item for item, _, _ in items] != wanted or sum(size for _, size, _ in items) != file.dtype.itemsize:
        parts = ", ".join(f"{size} bytes of type {item}" for item, size, _ in items)
        raise _unknown(file, f"points of format {file.kind} and {file.dtype.itemsize} bytes as {parts}")
    if any(version not in ((3,) if file.kind > 5 else (1, 2)) for _, _, version in items):
        raise _unknown(file, f"versions {', '.join(str(version) for _, _, version in items)}")
    if (compressor == 3) != (file.kind > 5):
        raise _unknown(file, f"compressor {compressor} for points of format {file.kind}")
    if compressor == 1:
        chunk = 1  # any value but _VARIABLE, for which lazrs needs a table
    elif not chunk:
        chunk = _VARIABLE  # the meaning of 0 for some writers of COPC; the table shows whether it holds
    return body[:12] + struct.pack("<I", chunk) + body[16:], compressor, chunk


def _table(file: LasFile, chunk: int, defects: list[Defect]) -> int:
    """Return the offset of the chunk table, which must be in the file, suffice for the points and fit."""
    with open(file.path, "rb") as stream:
        stream.seek(file.start)
        (table,) = struct.unpack("<q", stream.read(8).ljust(8, b"\0"))
        if table <= file.start:  # written to a stream: the offset is at the end of the file
            stream.seek(-8, 2)
            (table,) = struct.unpack("<q", stream.read(8))
        if table <= file.start and not file.count:
            return 0
        if not file.start + 8 <= table <= file.size - 8:
            raise InputError(
                f"{file.path}: its chunk table is declared at byte {table} of {file.size}; it is cut off, or the "
                "program that "
                "wrote it did not finish, copy or export it again"
            )
        stream.seek(table)
        version, chunks = struct.unpack("<II", stream.read(8))
    most = (table - file.start - 8) // file.dtype.itemsize  # each chunk begins with an uncompressed point
    least = 1 if chunk == _VARIABLE else -(-file.count // chunk)
    if file.count > _DENSEST * file.size:
        raise InputError(
            f"{file.path}: {file.count} points in {file.size} bytes, denser than any scan; it is damaged or made to "
            "fill "
            "the memory, do not use it"
        )
    if version or chunks > most or (file.count and chunks < least):
        raise InputError(
            f"{file.path}: its table lists {chunks} chunks, but {file.count} points need {least} to {most}; it is "
            "damaged, "
            "copy or export it again"
        )
    if chunks and chunk != _VARIABLE:
        check_surplus(file.path, file.count, (chunks - 1) * chunk + 1, defects)
    elif chunks and not file.count:
        check_surplus(file.path, 0, chunks, defects)
    return int(table)


def _unknown(file: LasFile, found: str) -> InputError:
    return InputError(
        f"{file.path}: an unsupported kind of LAZ file ({found}); it is damaged, or decompress it with laszip and give "
        "the .las"
    )
