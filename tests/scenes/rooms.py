"""Small random scenes with ground truth, in memory or as folders, for the tests of labels and samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcseg.classes import IGNORE, Classes
from pcseg.scenes.scene import Scene, write_scene

CLASSES = Classes(("floor", "wall", "chair", "board"))


def room(name: str, points: int = 400, classes: tuple[int, ...] = (0, 1, 2), unknown: float = 0.1) -> Scene:
    """A scene of 4 x 4 x 2 m, its points of these classes at random, a share of them of no class; the same by name."""
    rng = np.random.default_rng(list(name.encode()))
    segment = rng.choice(np.array(classes), points).astype(np.int64)
    segment[rng.random(points) < unknown] = IGNORE
    coord = (rng.random((points, 3)) * [4, 4, 2]).astype(np.float32)
    attributes = {
        "color": rng.integers(0, 256, (points, 3)).astype(np.uint8),
        "normal": np.tile(np.array([0, 0, 1], dtype=np.float32), (points, 1)),
        "segment": segment,
        "instance": np.where(rng.random(points) < 0.05, -1, segment * 3 + rng.integers(0, 3, points)),
    }
    return Scene(coord, attributes, name, classes=CLASSES.names)


def building(root: Path, scenes: int = 4, points: int = 400) -> list[Path]:
    """Folders of ``scenes`` rooms of Area_1; the board is in the last two only."""
    kinds = [(0, 1, 2) if i < scenes - 2 else (0, 1, 3) for i in range(scenes)]
    return [write_scene(root, room(f"Area_1/room_{i}", points, kinds[i])) for i in range(scenes)]
