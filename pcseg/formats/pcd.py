"""Read PCD files of the Point Cloud Library: ascii, binary and binary_compressed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.ascii_rows import newlines, read_rows, rows_in
from pcseg.formats.cloud import Cloud
from pcseg.formats.columns import to_cloud
from pcseg.formats.defects import Defect
from pcseg.formats.lzf import MOST, lzf_decompress
from pcseg.formats.parsing import parsing
from pcseg.formats.pcd_header import Field, Header, read_header


@dataclass(frozen=True)
class Points:
    """The points of a PCD file: ``columns`` by name, (P,) or (P, count), memory-mapped if binary."""

    columns: dict[str, np.ndarray]
    defects: tuple[Defect, ...]


def read_pcd(path: Path) -> Cloud:
    """Return the points of a PCD file; a field ``rgb`` or ``rgba`` becomes the color. Raises InputError if it is
    damaged.
    """
    with parsing(path, "PCD"):
        points = open_pcd(path)
        cloud = to_cloud(points.columns, path)
        return replace(cloud, defects=(*points.defects, *cloud.defects))


def open_pcd(path: Path) -> Points:
    """Return the fields of a PCD file unchanged; raises InputError if its contents differ from its header."""
    if not path.stat().st_size:
        raise InputError(f"{path}: is empty; copy it again")
    content = np.memmap(path, np.uint8, "r")
    header = read_header(content, path)
    body = content[header.start :]
    if header.encoding == "ascii":
        columns, defects = _ascii(newlines(body), header, path)
    elif header.encoding == "binary":
        columns, defects = _binary(body, header, path)
    else:
        columns, defects = _compressed(body, header, path)
    return Points({n: v for n, v in columns.items() if n}, (*header.defects, *defects))


def _count(header: Header, held: int, path: Path) -> tuple[int, list[Defect]]:
    """Return the number of points: that in the file, if any line of its header agrees; ``held`` may count padding."""
    wrong = [words for words, number in header.points.items() if number != held]
    if len(wrong) < len(header.points):
        return held, [Defect(str(path), None, words, f"read the {held} points that it holds") for words in wrong]
    declared = set(header.points.values())
    if header.encoding == "binary" and len(declared) == 1 and 0 <= min(declared) < held:  # PCL itself may add bytes
        return declared.pop(), []
    remedy = "it is cut off, copy it again" if held < max(header.points.values()) else "correct the header"
    raise InputError(f"{path}: declares {' and '.join(wrong)}, but holds {held} points; {remedy}")


def _ascii(body: np.ndarray, header: Header, path: Path) -> tuple[dict[str, np.ndarray], list[Defect]]:
    count, defects = _count(header, rows_in(body), path)
    width = sum(f.count for f in header.fields)
    if 2 * width * max(count, 1) > len(body) + 1:  # checked before anything is allocated
        raise InputError(
            f"{path}: declares {width} numbers for each of {count} points, more than it holds; export it again"
        )
    kinds = [_wide(f) for f in header.fields for _ in range(f.count)]
    found, _ = read_rows(body, count, kinds, str(path), header.lines + 1)
    columns, left = {}, iter(found)
    for f in header.fields:
        values = [next(left) for _ in range(f.count)]
        columns[f.name] = values[0] if f.count == 1 else np.stack(values, axis=1)
        if columns[f.name].dtype.kind == "f" and f.kind.kind in "iu":
            found_there = f"{f.name} is declared an integer, but holds other numbers"
            defects.append(Defect(str(path), None, found_there, "read as they are"))
    return columns, defects


def _binary(body: np.ndarray, header: Header, path: Path) -> tuple[dict[str, np.ndarray], list[Defect]]:
    count, defects = _count(header, len(body) // header.size, path)
    kind = np.dtype([(str(i), f.kind, (f.count,) if f.count > 1 else ()) for i, f in enumerate(header.fields)])
    table = body[: count * header.size].view(kind)
    if len(body) > table.nbytes:
        rest = f"{len(body) - table.nbytes} bytes after the last point"
        defects.append(Defect(str(path), None, rest, "left out"))
    return {f.name: table[str(i)] for i, f in enumerate(header.fields)}, defects


def _compressed(body: np.ndarray, header: Header, path: Path) -> tuple[dict[str, np.ndarray], list[Defect]]:
    """Return the columns of a compressed body, in which field follows field rather than point follows point."""
    packed, size = (int(v) for v in body[:8].view("<u4")) if len(body) >= 8 else (8, 0)
    if packed > len(body) - 8:
        raise InputError(f"{path}: {len(body)} bytes where {packed} and 8 are declared; it is cut off, copy it again")
    count, defects = _count(header, size // header.size, path)
    if size != count * header.size or size > MOST * packed:
        raise InputError(
            f"{path}: declares {packed} compressed and {size} decompressed bytes for {count} points of {header.size} "
            "bytes, "
            "which is impossible; export it again"
        )
    content = lzf_decompress(body[8 : 8 + packed].tobytes(), size)
    columns, offset = {}, 0
    for f in header.fields:
        values = np.frombuffer(content, f.kind, count * f.count, offset)
        columns[f.name] = values.reshape(count, f.count) if f.count > 1 else values
        offset += values.nbytes
    return columns, defects


def _wide(f: Field) -> np.dtype:
    """Return the type to read text as: coordinates keep all digits, a packed color all bits."""
    return np.dtype(np.float64) if f.name.lower() in ("x", "y", "z", "rgb", "rgba") and f.kind.kind == "f" else f.kind
