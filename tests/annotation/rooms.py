"""Small rooms to label: a floor, a wall and a box, as prepared scenes or as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcseg.files import write_json
from pcseg.scenes.scene import Scene, write_scene

CLASSES = ("floor", "wall", "<script>alert(1)</script>")


def room(count: int = 600, seed: int = 0, origin: tuple[float, float, float] = (0, 0, 0)) -> Scene:
    """Return a room of ``count`` points: a third of them floor, a third wall, a third the top of a box."""
    rng = np.random.default_rng(seed)
    flat = rng.random((count, 2)) * 2
    kind = np.arange(count) % 3
    coord = np.empty((count, 3), dtype=np.float32)
    coord[kind == 0] = np.c_[flat[kind == 0], np.zeros((kind == 0).sum())]
    coord[kind == 1] = np.c_[np.zeros((kind == 1).sum()), flat[kind == 1]]
    coord[kind == 2] = np.c_[0.5 + 0.4 * flat[kind == 2], np.full((kind == 2).sum(), 0.7)]
    color = np.array([(120, 90, 60), (200, 200, 190), (60, 90, 160)], dtype=np.uint8)[kind]
    attributes = {"color": color, "segment": kind.astype(np.int16)}
    return Scene(coord, attributes, "train/room", np.array(origin, dtype=np.float64), CLASSES)


def write_root(root: Path, names: tuple[str, ...] = ("train/room",), count: int = 600) -> Path:
    """Write prepared rooms of these names below ``root`` and return it."""
    for seed, name in enumerate(names):
        scene = room(count, seed)
        write_scene(root, Scene(scene.coord, scene.attributes, name, scene.origin, scene.classes))
    write_json(root / "dataset.json", {"classes": list(CLASSES), "colors": [[200, 0, 0], [0, 200, 0], [0, 0, 200]]})
    return root
