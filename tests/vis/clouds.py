"""A small furnished room to draw."""

from __future__ import annotations

import numpy as np

from pcseg.classes import IGNORE, Classes
from pcseg.vis.view import CloudView

CLASSES = Classes(
    ("floor", "wall", "ceiling", "table <b>&amp;"), ((10, 20, 250), (0, 200, 0), (250, 200, 0), (200, 0, 200))
)


def room(points: int = 4000, seed: int = 0) -> CloudView:
    """Floor, four walls, ceiling and a table, 4 x 3 x 2.6 m, with some wrong predictions and a few labels."""
    rng = np.random.default_rng(seed)
    size = np.array([4.0, 3.0, 2.6])
    coord = rng.uniform(0, 1, (points, 3)) * size
    side = rng.integers(0, 7, points)
    for axis in range(3):
        coord[side == 2 * axis, axis] = 0
        coord[side == 2 * axis + 1, axis] = size[axis]
    table = side == 6
    coord[table] = coord[table] * (0.4, 0.4, 0) + (1.2, 0.9, 0.75)
    truth = np.select([table, side == 4, side == 5], [3, 0, 2], 1)
    prediction = np.where(rng.random(points) < 0.2, rng.integers(0, 4, points), truth)
    labels = np.where(rng.random(points) < 0.01, truth, IGNORE)
    color = rng.integers(0, 255, (points, 3)).astype(np.uint8)
    coord = coord.astype(np.float32)
    return CloudView("Area_1/office_1", coord, CLASSES, color, truth, prediction, labels, rng.random(points))
