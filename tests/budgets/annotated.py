"""A scene of 12 points and its labels in the files of each annotation tool, written here without the library."""

from __future__ import annotations

import json
from pathlib import Path

import laspy
import numpy as np

from pcseg.classes import Classes
from pcseg.scenes.scene import Scene

CLASSES = Classes(("ground", "tree", "house"), codes=((2,), (5, 4), (6,)))
COORD = np.stack([np.arange(12) * 0.5, np.arange(12) % 3, np.arange(12) / 8], axis=1).astype(np.float32)
ORIGIN = np.array([512_000.0, 5_400_000.0, 300.0])
LABELS = np.array([0, 0, 1, -1, 2, 2, -1, 1, 0, -1, 2, 1])
CODES = np.array([2, 2, 5, 0, 6, 6, 0, 4, 2, 0, 6, 5])
"""The same labels as numbers of the classes, 0 for none; both numbers of trees occur."""

WORLD = COORD.astype(np.float64) + ORIGIN


def scene(name: str = "train/room", **more: np.ndarray) -> Scene:
    return Scene(COORD, more, name, ORIGIN, CLASSES.names)


def written(path: Path, content: object) -> Path:
    """Write a text, JSON or bytes, with the folders above it, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def pcd(coord: np.ndarray, *labels: np.ndarray, names: str = "", first: str = "") -> str:
    rows = np.column_stack([coord, *labels])
    kinds = len(labels) * " I"
    head = f"{first}VERSION .7\nFIELDS x y z{names}\nSIZE 4 4 4{len(labels) * ' 4'}\nTYPE F F F{kinds}\n"
    head += f"COUNT 1 1 1{len(labels) * ' 1'}\nWIDTH {len(rows)}\nHEIGHT 1\nPOINTS {len(rows)}\nDATA ascii\n"
    return head + "\n".join(" ".join(f"{value:g}" for value in row) for row in rows) + "\n"


def supervisely(root: Path) -> Path:
    """A project whose scan is in a frame of its own, and of which two figures share a point."""
    objects = [{"key": key, "classTitle": title} for key, title in (("a", "ground"), ("b", "tree"), ("c", "house"))]
    indices = {"c": np.flatnonzero(LABELS == 2), "a": np.append(np.flatnonzero(LABELS == 0), 2)}
    figures = [
        {"objectKey": key, "geometryType": "point_cloud", "geometry": {"indices": index.tolist()}}
        for key, index in (*indices.items(), ("b", np.flatnonzero(LABELS == 1)))
    ]
    written(root / "meta.json", {"classes": [], "tags": []})
    written(root / "ds" / "pointcloud" / "room.pcd", pcd(COORD + np.float32([7, 8, 9])))
    written(root / "ds" / "ann" / "room.pcd.json", {"objects": objects, "figures": figures, "key": "k"})
    return root


def attributes() -> dict[str, object]:
    """A label of Segments.ai: two objects are trees."""
    annotations = [{"id": i, "category_id": c} for i, c in ((1, 10), (2, 30), (3, 30), (4, 20))]
    points = np.array([1, 2, 4])[np.maximum(LABELS, 0)]
    points[LABELS == -1] = 0
    points[7] = 3
    return {"format_version": "0.1", "annotations": annotations, "point_annotations": points.tolist()}


CATEGORIES = {"categories": [{"id": i, "name": n} for i, n in ((10, "ground"), (20, "house"), (30, "tree"))]}


def segments(root: Path) -> Path:
    written(root / "categories.json", CATEGORIES)
    written(root / "room.json", attributes())
    return root


def segments_release(root: Path) -> Path:
    labels = {"first": None, "ground-truth": {"label_status": "LABELED", "attributes": attributes()}}
    samples = [{"name": "room.pcd", "labels": labels}, {"name": "other.pcd", "labels": {"ground-truth": None}}]
    content = {"name": "v1", "dataset": {"task_attributes": CATEGORIES, "samples": samples}}
    return written(root / "release.json", content)


def labelcloud(root: Path) -> Path:
    names = [("background", 7), ("house", 3), ("ground", 1), ("tree", 2)]
    content = {"classes": [{"name": n, "id": i, "color": "#000000"} for n, i in names], "default": 7}
    written(root / "labels" / "_classes.json", content)
    values = np.array([1, 2, 3, 7], np.int8)[LABELS]
    written(root / "labels" / "segmentation" / "room.bin", values.tobytes())
    return root


def labelcloud_old(root: Path) -> Path:
    written(root / "schema" / "label_definition.json", {"unassigned": 0, "ground": 1, "tree": 2, "house": 3})
    written(root / "segmentation" / "room.bin", (LABELS + 1).astype(np.int8).tobytes())
    return root


def editor(root: Path) -> Path:
    written(root / "room.pcd", pcd(COORD, CODES, np.full(12, -1), names=" label object", first="room.pcd\n"))
    return root


def kitti(root: Path) -> Path:
    values = (CODES + (np.arange(12) << 16)).astype("<u4")
    written(root / "labels" / "room.label", values.tobytes())
    written(root / "velodyne" / "room.bin", np.pad(COORD, ((0, 0), (0, 1))).astype("<f4").tobytes())
    return root


def cloudcompare(root: Path) -> Path:
    rows = [
        f"{x:.4f} {y:.4f} {z:.4f} 1 2 3 {code if code else 'nan'}" for (x, y, z), code in zip(WORLD, CODES, strict=True)
    ]
    written(root / "room.asc", "\n".join(["//X Y Z R G B label", *rows]) + "\n")
    return root


def ply(root: Path) -> Path:
    head = "ply\nformat ascii 1.0\nelement vertex 12\n" + "".join(f"property double {axis}\n" for axis in "xyz")
    rows = [f"{x:.4f} {y:.4f} {z:.4f} {code or 'nan'}" for (x, y, z), code in zip(WORLD, CODES, strict=True)]
    written(root / "room.ply", f"{head}property float scalar_label\nend_header\n" + "\n".join(rows) + "\n")
    return root


def las(root: Path) -> Path:
    """With the points in another order, and one more of them without a label."""
    order = np.random.default_rng(0).permutation(12)
    points = laspy.create(point_format=6, file_version="1.4")
    points.header.scales, points.header.offsets = np.full(3, 1e-4), ORIGIN
    points.x, points.y, points.z = np.vstack([WORLD[order], WORLD[:1] + 50]).T
    points.classification = np.append(CODES[order], 1)
    root.mkdir(parents=True, exist_ok=True)
    points.write(root / "room.las")
    return root


FILES = {
    each.__name__: each
    for each in (
        supervisely, segments, segments_release, labelcloud, labelcloud_old, editor, kitti, cloudcompare, ply, las,
    )
}  # fmt: skip
