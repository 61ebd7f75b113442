"""Write tiny .sens files and folders of exported frames for tests."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

COLOR, DEPTH = (6, 8), (3, 4)
"""Rows and columns of the color pictures and of the depths."""

INTRINSIC = np.array([[10.0, 0, 3.5, 0], [0, 10, 2.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
"""Matrix of the color camera; that of the depth camera is of pictures half as large."""

HALF = np.array([[5.0, 0, 1.5, 0], [0, 5, 1.0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])

Pictures = list[tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Pose (4, 4), colors (H, W, 3) uint8 and depths (h, w) uint16 of each frame."""


def pictures(count: int = 3) -> Pictures:
    """Return frames of one color each, and random depths; the camera moves along x."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        pose = np.eye(4)
        pose[0, 3] = number
        color = np.broadcast_to(rng.integers(0, 256, 3), (*COLOR, 3)).astype(np.uint8)
        found.append((pose, color, rng.integers(0, 5000, DEPTH).astype(np.uint16)))
    return found


def sens(path: Path, frames: Pictures, **changed: object) -> list[int]:
    """Write a .sens file, with other numbers in its head where ``changed`` says so; returns the end of each part."""
    head = {
        "version": 4,
        "color": 2,
        "depth": 1,
        "size": COLOR,
        "depth_size": DEPTH,
        "steps": 1000.0,
        "matrices": (INTRINSIC, HALF),
    } | changed
    count, extrinsic = head.get("count", len(frames)), head.get("extrinsic", np.eye(4))
    color_matrix, depth_matrix = head["matrices"]  # type: ignore[misc]
    parts = [struct.pack("<IQ", head["version"], head.get("length", 4)) + b"test"]
    parts += [np.asarray(m, "<f4").tobytes() for m in (color_matrix, extrinsic, depth_matrix, np.eye(4))]
    parts += [struct.pack("<2i", head["color"], head["depth"])]
    parts += [struct.pack("<4I", *head["size"][::-1], *head["depth_size"][::-1])]  # type: ignore[index]
    parts += [struct.pack("<fQ", head["steps"], count)]
    for pose, color, depth in frames:
        packed = (jpeg(color), zlib.compress(depth.astype("<u2").tobytes()))
        parts += [pose.astype("<f4").tobytes(), struct.pack("<4Q", 1, 2, *map(len, packed)), *packed]
    path.write_bytes(b"".join(parts) + struct.pack("<Q", 0))  # no record of an inertial sensor
    return np.cumsum([len(part) for part in parts]).tolist()


def jpeg(color: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(color).save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


def folder(path: Path, frames: Pictures) -> Path:
    """Write frames as exported from ScanNet."""
    for kind in ("color", "depth", "pose", "intrinsic"):
        (path / kind).mkdir(parents=True)
    for kind, matrix in (("color", INTRINSIC), ("depth", HALF)):
        np.savetxt(path / "intrinsic" / f"intrinsic_{kind}.txt", matrix)
        np.savetxt(path / "intrinsic" / f"extrinsic_{kind}.txt", np.eye(4))
    for number, (pose, color, depth) in enumerate(frames):
        np.savetxt(path / "pose" / f"{number}.txt", pose)
        (path / "color" / f"{number}.jpg").write_bytes(jpeg(color))
        Image.fromarray(depth).save(path / "depth" / f"{number}.png")
    return path
