"""PLY files: ascii or binary, of any tool; CloudCompare's scalar fields arrive as they are named there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

from pcseg.data.readers.cloud import Cloud
from pcseg.data.readers.columns import parsing, to_cloud
from pcseg.errors import InputError


def read_ply(path: Path) -> Cloud:
    """The points of a PLY file; raises InputError where it is damaged or has none."""
    return read_ply_mesh(path)[0]


def read_ply_mesh(path: Path) -> tuple[Cloud, np.ndarray | None]:
    """The points of a PLY file and its triangles (T, 3) int64, or None where it has no faces or others than these."""
    with parsing(path, "PLY"):
        data = open_ply(path)
        element = points_of(data, path)
        columns = {p.name: np.asarray(element[p.name]) for p in element.properties}
        cloud = to_cloud(columns, path)
        faces = next((e for e in data.elements if e.name == "face" and len(e)), None)
        lists = [] if faces is None else [p.name for p in faces.properties if p.name.startswith("vertex_ind")]
        if faces is None or not lists:
            return cloud, None
        corners = faces[lists[0]]
        if corners.dtype.kind == "O" and {len(c) for c in corners} == {3}:
            corners = np.stack(list(corners))
        return cloud, None if corners.dtype.kind == "O" else np.array(corners, dtype=np.int64)


def open_ply(path: Path) -> PlyData:
    """The content of a PLY file; what is binary is mapped from the disk, not read."""
    # a face is a list; told that all are triangles, plyfile maps them like an array, some 50 times faster
    triangles = {"face": {"vertex_indices": 3, "vertex_index": 3}}
    try:
        return PlyData.read(str(path), known_list_len=triangles)
    except Exception:
        return PlyData.read(str(path))  # other polygons, or other names


def points_of(data: PlyData, path: Path) -> PlyElement:
    """The element that holds the points; InputError where there is none."""
    for element in data.elements:
        if {"x", "y", "z"} <= {p.name.lower() for p in element.properties}:
            return element
    raise InputError(f"{path}: no element with x, y and z in this PLY file; export the points, not only faces")
