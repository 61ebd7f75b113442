"""Write E57 files of given stations with pye57."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pye57 import libe57

XYZ = tuple(f"cartesian{axis}" for axis in "XYZ")


RGB = tuple(f"color{name}" for name in ("Red", "Green", "Blue"))


@dataclass
class Station:
    """A station; ``fields``: values of each, with its kind: ("float", "double", "single"), ("integer", low, high), or
    ("scaled", low, high, scale, offset).
    """

    fields: dict[str, tuple[np.ndarray, tuple[object, ...]]]
    pose: dict[str, dict[str, float]] = field(default_factory=dict)
    limits: dict[str, dict[str, float]] = field(default_factory=dict)


def write(path: Path, stations: Sequence[Station], images: bool = False) -> Path:
    file = libe57.ImageFile(str(path), "w")
    file.extensionsAdd("", libe57.E57_V1_0_URI)
    file.extensionsAdd("nor", "http://www.libe57.org/E57_NOR_surface_normals.txt")
    root = file.root()
    root.set("formatName", libe57.StringNode(file, "ASTM E57 3D Imaging Data File"))
    root.set("guid", libe57.StringNode(file, "{0}"))
    root.set("versionMajor", libe57.IntegerNode(file, 1))
    root.set("versionMinor", libe57.IntegerNode(file, 0))
    if images:
        root.set("images2D", libe57.VectorNode(file, True))
    data = libe57.VectorNode(file, True)
    root.set("data3D", data)
    for station in stations:
        scan = libe57.StructureNode(file)
        scan.set("guid", libe57.StringNode(file, "{1}"))
        for name, numbers in station.limits.items():
            scan.set(name, structure(file, numbers))
        if station.pose:
            pose = libe57.StructureNode(file)
            for name, numbers in station.pose.items():
                pose.set(name, structure(file, numbers))
            scan.set("pose", pose)
        prototype, count = libe57.StructureNode(file), 0
        for name, (_, kind) in station.fields.items():
            prototype.set(name, node(file, kind))
        points = libe57.CompressedVectorNode(file, prototype, libe57.VectorNode(file, True))
        scan.set("points", points)
        data.append(scan)
        buffers, kept = libe57.VectorSourceDestBuffer(), []
        for name, (values, kind) in station.fields.items():
            kept.append(np.ascontiguousarray(values, {"integer": "q"}.get(str(kind[0]), "f8")))
            count = len(values)
            buffers.append(libe57.SourceDestBuffer(file, name, kept[-1], max(count, 1), True, True))
        if count:
            writer = points.writer(buffers)
            writer.write(count)
            writer.close()
    file.close()
    return path


def structure(file: libe57.ImageFile, numbers: dict[str, float]) -> libe57.StructureNode:
    found = libe57.StructureNode(file)
    for name, value in numbers.items():
        found.set(name, libe57.IntegerNode(file, value) if isinstance(value, int) else libe57.FloatNode(file, value))
    return found


def node(file: libe57.ImageFile, kind: tuple) -> libe57.Node:  # type: ignore[type-arg]
    if kind[0] == "float":
        single = kind[1] == "single"
        return libe57.FloatNode(
            file, 0.0, libe57.FloatPrecision.E57_SINGLE if single else libe57.FloatPrecision.E57_DOUBLE
        )
    if kind[0] == "scaled":
        low, high, scale, offset = kind[1:]
        return libe57.ScaledIntegerNode(file, low, low, high, scale, offset)
    return libe57.IntegerNode(file, kind[1], kind[1], kind[2])


def points(count: int, seed: int = 0) -> dict[str, tuple[np.ndarray, tuple[object, ...]]]:
    values = np.random.default_rng(seed).normal(0, 30, (3, count))
    return {name: (values[k], ("float", "double")) for k, name in enumerate(XYZ)}


def colors(count: int, low: int, high: int, values: np.ndarray | None = None) -> dict[str, tuple[np.ndarray, tuple]]:  # type: ignore[type-arg]
    if values is None:
        values = np.random.default_rng(1).integers(low, high, (3, count), endpoint=True)
    return {name: (values[k], ("integer", low, high)) for k, name in enumerate(RGB)}


def color_limits(low: float, high: float) -> dict[str, dict[str, float]]:
    return {"colorLimits": {f"{name}{end}": v for name in RGB for end, v in (("Minimum", low), ("Maximum", high))}}
