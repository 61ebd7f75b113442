"""Read the scans of E57 files in a separate process (see bounded.py), since libE57Format can crash."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from pye57 import libe57

BYTES = 1 << 23
"""Bytes of points read at a time."""


def read(request: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Yield for each scan in the file ``request["path"]`` its description, then its points in pieces, one buffer per
    field.

    A description has ``scan`` (its index in the file), ``count``, ``fields`` (name and dtype of each), ``left_out``
    (fields that are not numbers), ``pose`` ({"rotation": {w, x, y, z}, "translation": {x, y, z}}, each optional), and
    ``limits`` (by field: the smallest and largest value that the file declares).
    """
    path = request["path"]
    file = libe57.ImageFile(path, "r")
    try:
        root = file.root()
        scans = root["data3D"] if root.isDefined("data3D") else []
        size = os.path.getsize(path)
        for index in range(len(scans)):
            yield from _scan(file, scans[index], index, size)
    finally:
        file.close()


def _scan(file: Any, scan: Any, index: int, size: int) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    described: dict[str, Any] = {"scan": index, "count": 0, "fields": [], "left_out": [], "limits": {}}
    if scan.isDefined("pose"):
        described["pose"] = _numbers(scan["pose"])
    if not scan.isDefined("points"):
        yield described, []
        return
    points = scan["points"]
    count, bits = points.childCount(), 0
    prototype = libe57.StructureNode(points.prototype())
    arrays: dict[str, np.ndarray] = {}
    for number in range(prototype.childCount()):
        node = prototype.get(number)
        name = node.elementName()
        found = _field(node)
        if found is None:
            described["left_out"].append(name)
            continue
        kind, width, limits = found
        bits += width
        described["fields"].append([name, kind])
        described["limits"][name] = limits
    for group in ("colorLimits", "intensityLimits"):
        if scan.isDefined(group):
            described["limits"][group] = _numbers(scan[group])
    if count * max(bits, 1) > 8 * size:
        raise ValueError(f"scan {index} declares {count} points, which do not fit in {size} bytes")
    described["count"] = count
    yield described, []
    if not count or not described["fields"]:
        return
    width = 8 * len(described["fields"])
    rows = min(count, max(1, BYTES // width))
    buffers = libe57.VectorSourceDestBuffer()
    for name, kind in described["fields"]:
        arrays[name] = np.empty(rows, "q" if kind in ("i4", "i8") else kind)  # pye57 takes no int32
        buffers.append(libe57.SourceDestBuffer(file, name, arrays[name], rows, True, True))
    reader = points.reader(buffers)
    left = count
    while left > 0:
        got = reader.read()
        if not got:
            raise ValueError(f"scan {index} holds {count - left} points, but declares {count}")
        left -= got
        yield {}, [arrays[name][:got].astype(kind, copy=False) for name, kind in described["fields"]]
    reader.close()


def _field(node: Any) -> tuple[str, int, tuple[float, float] | None] | None:
    """Return the dtype of a field, its bits in the file, and its limits if it is an integer; None if it is not a
    number.
    """
    kind = node.type()
    if kind == libe57.NodeType.E57_FLOAT:
        single = libe57.FloatNode(node).precision() == libe57.FloatPrecision.E57_SINGLE
        return ("f4", 32, None) if single else ("f8", 64, None)
    if kind == libe57.NodeType.E57_SCALED_INTEGER:
        scaled = libe57.ScaledIntegerNode(node)
        bits = int(scaled.maximum() - scaled.minimum()).bit_length()
        return "f8", bits, (scaled.scaledMinimum(), scaled.scaledMaximum())
    if kind == libe57.NodeType.E57_INTEGER:
        whole = libe57.IntegerNode(node)
        low, high = whole.minimum(), whole.maximum()
        fits = next(
            k for k in ("u1", "i1", "u2", "i2", "i4", "i8") if np.iinfo(k).min <= low and high <= np.iinfo(k).max
        )
        return fits, int(high - low).bit_length(), (low, high)
    return None


def _numbers(structure: Any) -> dict[str, Any]:
    """Return a structure as a dict of its numbers and structures."""
    found: dict[str, Any] = {}
    for number in range(structure.childCount()):
        child = structure.get(number)
        kind = child.type()
        if kind == libe57.NodeType.E57_STRUCTURE:
            found[child.elementName()] = _numbers(libe57.StructureNode(child))
        elif kind == libe57.NodeType.E57_FLOAT:
            found[child.elementName()] = libe57.FloatNode(child).value()
        elif kind == libe57.NodeType.E57_INTEGER:
            found[child.elementName()] = libe57.IntegerNode(child).value()
        elif kind == libe57.NodeType.E57_SCALED_INTEGER:
            found[child.elementName()] = libe57.ScaledIntegerNode(child).scaledValue()
    return found
