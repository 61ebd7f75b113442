"""Decompress the points of LAZ files in a separate process (see bounded.py), since lazrs can abort."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lazrs

AT_ONCE = 1_000_000
"""Points decompressed together, on all cores."""

SENT = 1 << 18
"""Points sent together."""

LARGE = 8_000_000
"""Points of a chunk that is not decompressed as a whole."""


def read(request: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[memoryview]]]:
    """Yield {"held": points in the file, or None if unknown}, then the points as in a LAS file, in pieces of at most
    SENT.

    ``request``: path; start of the point data; count and width of points; vlr, the LASzip record in hexadecimal; table,
    the offset of the chunk table (0 if the file has none and is one chunk); layered, whether chunks are layered.
    """
    count, width = request["count"], request["width"]
    record = bytes.fromhex(request["vlr"])
    with open(request["path"], "rb") as file:
        if not request["table"]:
            yield {"held": None}, []
            yield from _in_order(file, request["start"], record, count, width)
            return
        vlr = lazrs.LazVlr(record)
        file.seek(request["start"])
        table = lazrs.read_chunk_table(file, vlr)
        _check(table, request["table"] - request["start"] - 8, width)
        while table and not table[-1][0]:  # some writers end with an empty chunk
            table.pop()
        yield {"held": _held(file, request, table, vlr)}, []
        if max(min(points, count) for points, _ in table) > LARGE:
            yield from _in_order(file, request["start"], record, count, width)
            return
        file.seek(request["start"] + 8)
        left = count
        group: list[tuple[int, int]] = []
        due = left - AT_ONCE
        for points, size in table:
            group.append((min(points, left), size))
            left -= group[-1][0]
            if left <= max(due, 0):
                yield from _together(file, record, group, width)
                group, due = [], left - AT_ONCE
            if left == 0:
                break
        if left:
            raise ValueError(f"{count - left} points, but its header says {count}")


def _check(table: list[tuple[int, int]], space: int, width: int) -> None:
    """Raise ValueError if the chunks of a table do not fill the ``space`` bytes before it."""
    total = sum(size for _, size in table)
    if total != space or any(size < width for points, size in table if points):
        raise ValueError(f"its table counts {total} bytes of compressed points, but there are {space}")


def _held(file: Any, request: dict[str, Any], table: list[tuple[int, int]], vlr: Any) -> int | None:
    """Return the number of points in all chunks; None if the last one, of fixed size, does not give its number."""
    if vlr.uses_variable_size_chunks():
        return sum(points for points, _ in table)
    if not request["layered"]:
        return None
    full = vlr.chunk_size() * (len(table) - 1)
    file.seek(request["table"] - table[-1][1] + request["width"])
    last = int.from_bytes(file.read(4), "little")
    if not 0 < last <= vlr.chunk_size():
        raise ValueError(f"its last chunk declares {last} points, but a chunk has at most {vlr.chunk_size()}")
    return full + last


def _together(
    file: Any, record: bytes, group: list[tuple[int, int]], width: int
) -> Iterator[tuple[dict[str, Any], list[memoryview]]]:
    packed = file.read(sum(size for _, size in group))
    points = bytearray(sum(n for n, _ in group) * width)
    lazrs.decompress_points_with_chunk_table(packed, record, points, group)
    with memoryview(points) as view:
        for at in range(0, len(view), SENT * width):
            yield {}, [view[at : at + SENT * width]]


def _in_order(
    file: Any, start: int, record: bytes, count: int, width: int
) -> Iterator[tuple[dict[str, Any], list[memoryview]]]:
    file.seek(start)
    unpacker = lazrs.LasZipDecompressor(file, record)
    for at in range(0, count, SENT):
        points = bytearray(min(SENT, count - at) * width)
        unpacker.decompress_many(points)
        yield {}, [memoryview(points)]
