"""Write small raw data sets for tests, in the layouts and number styles of the releases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

UTM = np.array([500_000.0, 4_500_000.0, 100.0])
ALIGNED, ORIGINAL = "%.3f %.3f %.3f %d %d %d", "%.6f %.6f %.6f %.6f %.6f %.6f"


def object_lines(points: int, seed: int, style: str = ALIGNED) -> tuple[np.ndarray, list[str]]:
    """Return rows (P, 6) rounded as in S3DIS, and their lines."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([np.round(rng.uniform(-20, 20, (points, 3)), 3), rng.integers(0, 256, (points, 3))], axis=1)
    return rows, [style % tuple(row) for row in rows]


def s3dis_room(room: Path, objects: dict[str, int], style: str = ALIGNED) -> dict[str, np.ndarray]:
    """Write ``room/Annotations/<object>.txt`` with that many points each; returns the rows of each object."""
    folder = room / "Annotations"
    folder.mkdir(parents=True)
    written = {}
    for i, (name, points) in enumerate(objects.items()):
        written[name], lines = object_lines(points, i, style)
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    return written


def scannet_scene(folder: Path, labeled: bool = True) -> dict[str, np.ndarray]:
    """Write a square of two triangles and a loose vertex, in two segments and one object ("office chair"), 5
    vertices.
    """
    scene = folder.name
    folder.mkdir(parents=True)
    kinds = [(a, "f4") for a in "xyz"] + [(c, "u1") for c in ("red", "green", "blue", "alpha")]
    vertices = np.zeros(5, dtype=kinds)
    vertices["x"], vertices["y"] = [0, 1, 0, 1, 2], [0, 0, 1, 1, 2]
    vertices["red"] = [10, 20, 30, 40, 50]
    faces = np.zeros(2, dtype=[("vertex_indices", "i4", (3,))])
    faces["vertex_indices"] = [[0, 1, 2], [1, 3, 2]]
    mesh = [PlyElement.describe(vertices, "vertex"), PlyElement.describe(faces, "face")]
    PlyData(mesh).write(str(folder / f"{scene}_vh_clean_2.ply"))
    matrix = "0 -1 0 10 1 0 0 20 0 0 1 30 0 0 0 1"
    (folder / f"{scene}.txt").write_text(f"axisAlignment = {matrix} \ncolorWidth = 1296\n")
    nyu40 = np.array([5, 5, 5, 50, 22])  # chair; no such id; ceiling, which is none of the 20
    if labeled:
        with_labels = np.zeros(5, dtype=[*kinds, ("label", "u2")])
        for name in vertices.dtype.names or ():
            with_labels[name] = vertices[name]
        with_labels["label"] = nyu40
        element = PlyElement.describe(with_labels, "vertex")
        PlyData([element, mesh[1]]).write(str(folder / f"{scene}_vh_clean_2.labels.ply"))
        segments = {"segIndices": [7, 7, 7, 90, 90]}
        (folder / f"{scene}_vh_clean_2.0.010000.segs.json").write_text(json.dumps(segments))
        groups = {"segGroups": [{"id": 0, "objectId": 0, "segments": [7], "label": "office chair"}]}
        (folder / f"{scene}.aggregation.json").write_text(json.dumps(groups))
    return {"nyu40": nyu40, "coord": np.stack([vertices[a] for a in "xyz"], axis=1)}


def labeled_cloud(count: int = 60) -> dict[str, np.ndarray]:
    """Return arguments for write_cloud: a small cloud at UTM coordinates, with colors, labels and confidences."""
    rng = np.random.default_rng(0)
    return {
        "coord": np.round(rng.uniform(0, 30, (count, 3)), 3) + UTM,
        "color": rng.integers(0, 256, (count, 3)).astype(np.uint8),
        "labels": rng.integers(-1, 13, count),
        "confidence": rng.random(count).astype(np.float32),
    }
