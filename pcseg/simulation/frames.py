"""Render posed RGB-D frames of a room with a label per pixel, and write them in the layout of exported ScanNet
frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pcseg.classes import S3DIS
from pcseg.files import write_json
from pcseg.simulation.difficulty import Difficulty
from pcseg.simulation.light import Lit
from pcseg.simulation.raycast import Pinhole, cast
from pcseg.simulation.scanner import expose, stations

WIDTH, HEIGHT, FOCAL = 320, 240, 270.0
"""Pixels, and the focal length in pixels: 61 degrees across, as of ScanNet's sensor."""


@dataclass(frozen=True)
class Frame:
    """One frame: ``color`` (H, W, 3) uint8, ``depth`` (H, W) uint16 in mm (0: nothing), ``label`` (H, W) uint8.

    A label is 1 + the index of an S3DIS class, 0 where nothing was hit. ``pose`` (4, 4) is camera to the room's frame.
    """

    color: np.ndarray
    depth: np.ndarray
    label: np.ndarray
    pose: np.ndarray


def intrinsic() -> np.ndarray:
    """Return the camera matrix (3, 3); a pixel's center has integer coordinates."""
    return np.array([[FOCAL, 0, (WIDTH - 1) / 2], [0, FOCAL, (HEIGHT - 1) / 2], [0, 0, 1]])


def look_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the pose (4, 4), camera to world, of a level camera at ``eye`` with ``target`` in its center; x right, y
    down.
    """
    ahead = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(ahead, [0, 0, 1])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, np.cross(ahead, right), ahead])
    pose[:3, 3] = eye
    return pose


def draw_poses(lit: Lit, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return poses of cameras at eye height, each towards another object at least 1.2 m away (else the farthest of
    20).
    """
    room = lit.room
    poses = []
    for eye in stations(room, count, rng, (1.3, 1.7)) if count else ():
        targets = room.solids.center[rng.integers(len(room.solids.kind), size=20)]
        targets = targets * [1, 1, 0] + [0, 0, 1] * np.clip(targets[:, 2:], 0.5, 1.8)
        away = np.linalg.norm((targets - eye)[:, :2], axis=1)
        target = targets[np.argmax(np.minimum(away, 1.2))]
        poses.append(look_at(eye, target + rng.normal(0, 0.1, 3)))
    return poses


def photograph(lit: Lit, pose: np.ndarray, rng: np.random.Generator, difficulty: Difficulty) -> Frame:
    """Return the frame of the camera at ``pose``, with the geometry, labels and light of the scanner."""
    room = lit.room
    view = Pinhole(pose, intrinsic(), (HEIGHT, WIDTH))
    hits = cast(room.solids, view)
    found = hits.solid >= 0
    ray = np.stack([axis[found] for axis in view.rays], axis=1)
    points = pose[:3, 3].astype(np.float32) + hits.distance[found][:, None] * ray
    seen = np.full((HEIGHT, WIDTH, 3), 0.85, dtype=np.float32)  # daylight through a hole
    seen[found] = lit.look(hits.solid[found], points, ray)[0]
    exposure = np.exp(rng.normal(0, 0.15 * difficulty.light)) * (1 + rng.normal(0, 0.03 * difficulty.light, 3))
    color = expose(seen, exposure, rng, difficulty.color_noise / 2)
    depth = np.where(found, hits.distance, 0)
    depth = depth + rng.normal(0, difficulty.range_noise / 6, depth.shape) * depth
    label = np.where(found, 1 + room.label[hits.solid], 0)
    return Frame(color, np.round(1000 * depth).clip(0, 65535).astype(np.uint16), label.astype(np.uint8), pose)


def write_frames(folder: Path, frames: list[Frame], shift: np.ndarray) -> None:
    """Write ``color/i.jpg``, ``depth/i.png``, ``label/i.png``, ``pose/i.txt`` and the intrinsics below ``folder``.

    ``shift`` (3,) maps the room's frame to that of the scan. ``label/classes.json`` names the label values.
    """
    for kind in ("color", "depth", "label", "pose", "intrinsic"):
        (folder / kind).mkdir(parents=True)
    camera = np.eye(4)
    camera[:3, :3] = intrinsic()
    for sensor in ("color", "depth"):
        _write_matrix(folder / "intrinsic" / f"intrinsic_{sensor}.txt", camera)
        _write_matrix(folder / "intrinsic" / f"extrinsic_{sensor}.txt", np.eye(4))
    write_json(
        folder / "label" / "classes.json", {"0": "unlabeled"} | {str(i + 1): n for i, n in enumerate(S3DIS.names)}
    )
    for i, frame in enumerate(frames):
        Image.fromarray(frame.color).save(folder / "color" / f"{i}.jpg", quality=92)
        Image.fromarray(frame.depth).save(folder / "depth" / f"{i}.png", compress_level=3)
        Image.fromarray(frame.label).save(folder / "label" / f"{i}.png")
        pose = frame.pose.copy()
        pose[:3, 3] += shift
        _write_matrix(folder / "pose" / f"{i}.txt", pose)


def _write_matrix(path: Path, matrix: np.ndarray) -> None:
    path.write_text("".join(" ".join(f"{v:.6f}" for v in row) + "\n" for row in matrix), encoding="ascii")
