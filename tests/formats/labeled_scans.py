"""Write LAS and PLY scans with all kinds of columns, to be labeled in tests."""

from __future__ import annotations

from pathlib import Path

import laspy
import numpy as np
from laspy.vlrs.known import WktCoordinateSystemVlr
from laspy.vlrs.vlrlist import VLRList
from plyfile import PlyData, PlyElement

from pcseg.formats import read_cloud, write_labeled
from tests.datasets.raw import UTM

COUNT = 25


LABELS = np.arange(COUNT) % 13 - 1


CONFIDENCE = np.linspace(0, 1, COUNT, dtype=np.float32)


PAINT = np.arange(3 * COUNT, dtype=np.uint8).reshape(COUNT, 3)


def las(path: Path, point_format: int = 7, version: str = "1.4", count: int = COUNT) -> Path:
    """Write a scan with values in every column of the format, three extra columns, a WKT and two other records."""
    rng = np.random.default_rng(0)
    header = laspy.LasHeader(point_format=point_format, version=version)
    header.scales, header.offsets = np.full(3, 0.002), UTM
    header.add_extra_dims(
        [
            laspy.ExtraBytesParams("amplitude", "i4", scales=np.array([0.01]), offsets=np.array([1.0])),
            laspy.ExtraBytesParams("Label", "u1"),
            laspy.ExtraBytesParams("beam", "3f4", description="direction"),
            laspy.ExtraBytesParams("echo", "f4", no_data=np.array([-1.0])),
        ]
    )
    header.vlrs.append(laspy.VLR("mine", 7, record_data=b"kept"))
    header.vlrs.append(WktCoordinateSystemVlr('PROJCS["somewhere"]'))
    data = laspy.LasData(header, laspy.ScaleAwarePointRecord.zeros(count, header=header))
    for name in data.points.array.dtype.names:
        values = data.points.array[name]
        if name not in ("X", "Y", "Z"):
            values[...] = rng.integers(0, 200, values.shape)
    data.x, data.y, data.z = (rng.uniform(0, 50, (count, 3)) + UTM).T
    if version == "1.4":
        data.header.vlrs.append(laspy.VLR("copc", 1, record_data=bytes(160)))
        data.header.evlrs = VLRList([laspy.VLR("big", 8, record_data=b"kept too"), laspy.VLR("copc", 1000)])
    data.write(str(path))
    return path


def copied(source: Path, path: Path, paint: np.ndarray | None = None) -> None:
    write_labeled(source, path, read_cloud(source), LABELS, CONFIDENCE, paint)


def ply(path: Path, colors: tuple[str, ...] = ("red", "green", "blue"), **how: object) -> np.ndarray:
    """Write points with normals, colors, columns of every width and a label, a list and a triangle."""
    rng = np.random.default_rng(0)
    kinds = [(n, "f8") for n in "xyz"] + [(n, "f4") for n in ("nx", "ny", "nz")] + [(n, "u1") for n in colors]
    kinds += [("scalar_Intensity", "u2"), ("time", "f8"), ("ring", "i1"), ("label", "f4")]
    vertex = np.zeros(COUNT, kinds)
    for name, kind in kinds:
        vertex[name] = rng.uniform(0, 100, COUNT).astype(kind)
    vertex["x"] += UTM[0]
    if how.get("byte_order") != ">":  # plyfile writes lists in the byte order of this machine
        plain, vertex = vertex, np.zeros(COUNT, [*kinds, ("seen", "O")])
        for name, _ in kinds:
            vertex[name] = plain[name]
        vertex["seen"] = [np.arange(1 + i % 3) for i in range(COUNT)]
    face = np.zeros(1, [("vertex_indices", "i4", (3,))])
    elements = [PlyElement.describe(face, "face"), PlyElement.describe(vertex, "vertex")]
    PlyData(elements, comments=["by hand"], obj_info=["shift 1 2 3"], **how).write(str(path))
    return vertex
