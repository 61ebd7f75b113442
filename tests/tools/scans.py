"""A scan of a room, written to a file of any format."""

from __future__ import annotations

import numpy as np

from pcseg.formats import write_cloud
from tests.tools._runs import room


def scan(path, color=True, **change):
    """Write a room of 600 points, 5 400 km from the origin, to ``path``; ``p4=nan`` replaces point 4."""
    scene = room("a/b", 3)
    coord = scene.coord.astype(np.float64) + np.array([4.5e5, 5.4e6, 120.0])
    for index, value in change.items():
        coord[int(index[1:])] = value
    write_cloud(path, coord, color=scene.color if color else None)
    return path
