"""Point files read by other means than the library's: what a file holds, to compare with.

Each function gives the columns of a file by name, (P,) each, x, y and z in float64. LAS is taken apart by hand here;
LAZ needs laszip (LASzip itself, where the library uses lazrs) and PCD pypcd4, each of which may be absent.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import laspy
import numpy as np
import pye57
from plyfile import PlyData, PlyListProperty

RGB_AT = {2: 20, 3: 28, 5: 28, 7: 30, 8: 30, 10: 30}
"""Byte of the first color in each LAS point format that has them."""


def las(path: Path) -> dict[str, np.ndarray]:
    """Coordinates, intensity, classification and colors of an uncompressed LAS file, by the offsets in its header."""
    content = path.read_bytes()
    assert content[:4] == b"LASF"
    start, number, length, count = (*struct.unpack_from("<I", content, 96), *struct.unpack_from("<BHI", content, 104))
    if content[25] >= 4:
        count = struct.unpack_from("<Q", content, 247)[0]
    scales, offsets = struct.unpack_from("<3d", content, 131), struct.unpack_from("<3d", content, 155)
    rows = np.frombuffer(content, np.uint8, count * length, start).reshape(count, length)

    def column(at: int, kind: str) -> np.ndarray:
        return np.ascontiguousarray(rows[:, at : at + np.dtype(kind).itemsize]).view(kind)[:, 0]

    found = {a: column(4 * i, "<i4") * scales[i] + offsets[i] for i, a in enumerate("xyz")}
    found["intensity"] = column(12, "<u2")
    found["classification"] = column(16, "u1") if number >= 6 else column(15, "u1") & 31
    if number in RGB_AT:
        found |= {c: column(RGB_AT[number] + 2 * i, "<u2") for i, c in enumerate(("red", "green", "blue"))}
    return found


def laz(path: Path) -> dict[str, np.ndarray]:
    """The same of a LAZ file, decompressed by LASzip."""
    read = laspy.read(path, laz_backend=laspy.LazBackend.Laszip)
    found = {a: np.asarray(read[a], dtype=np.float64) for a in "xyz"}
    names = set(read.point_format.dimension_names)
    kept = ("intensity", "classification", "red", "green", "blue")
    return found | {name: np.asarray(read[name]) for name in kept if name in names}


def ply(path: Path) -> dict[str, np.ndarray]:
    """All columns of the vertices, by plyfile."""
    vertex = PlyData.read(str(path))["vertex"]
    plain = [p.name for p in vertex.properties if not isinstance(p, PlyListProperty)]
    return {name: np.asarray(vertex[name]) for name in plain}


def pcd(path: Path) -> dict[str, np.ndarray]:
    """All columns with one number a point, by pypcd4."""
    from pypcd4 import PointCloud

    cloud = PointCloud.from_path(path)
    single = [name for name, count in zip(cloud.fields, cloud.metadata.count, strict=False) if count == 1]
    return {name: cloud.pc_data[name] for name in single}


def e57(path: Path) -> dict[str, np.ndarray]:
    """Coordinates of all stations, turned and moved by their poses."""
    file, parts = pye57.E57(str(path)), []
    for i in range(file.scan_count):
        raw, header = file.read_scan_raw(i), file.get_header(i)
        xyz = np.stack([raw[f"cartesian{a}"] for a in "XYZ"], axis=1).astype(np.float64)
        if "cartesianInvalidState" in raw:
            xyz = xyz[raw["cartesianInvalidState"] == 0]
        w, *v = header.rotation if header.has_pose() else (1.0, 0.0, 0.0, 0.0)
        t = np.cross(v, xyz) * 2  # v' = v + w t + q x t
        shift = header.translation if header.has_pose() else 0.0
        parts.append(xyz + w * t + np.cross(v, t) + shift)
    return dict(zip("xyz", np.concatenate(parts).T, strict=True))


def table(path: Path) -> dict[str, np.ndarray]:
    """The first three columns of a text that holds nothing but numbers."""
    rows = [
        [float(t) for t in line.replace(",", " ").replace(";", " ").split()] for line in path.read_text().splitlines()
    ]
    return dict(zip("xyz", np.array([row[:3] for row in rows if row]).T, strict=True))


def counted(path: Path) -> dict[str, np.ndarray]:
    """The first three columns of a PTS file, whose first line may be the number of its points."""
    with open(path) as stream:
        skip = int(len(stream.readline().split()) == 1)
    rows = np.loadtxt(path, skiprows=skip, usecols=(0, 1, 2), ndmin=2)
    return dict(zip("xyz", rows.T, strict=True))


def npy(path: Path) -> dict[str, np.ndarray]:
    """The named columns of an array, or the first three of a table."""
    array = np.load(path, allow_pickle=False)
    if array.dtype.names:
        return {name.lower(): array[name].reshape(-1) for name in array.dtype.names}
    return dict(zip("xyz", array[:, :3].astype(np.float64).T, strict=True))


READERS: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
    ".las": las, ".laz": laz, ".ply": ply, ".pcd": pcd, ".e57": e57,
    ".xyz": table, ".txt": table, ".asc": table, ".csv": table, ".pts": counted, ".npy": npy,
}  # fmt: skip
"""What each ending is read by here."""
