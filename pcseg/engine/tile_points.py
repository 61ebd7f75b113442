"""Points of a tile as a network sees them, from each view of which the mean is taken."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pcseg.engine.tiles import Tile
from pcseg.feeding.points import make_points
from pcseg.scenes.points import Points
from pcseg.scenes.scene import Scene


def tile_points(tile: Tile, seen: Scene, voxel_size: float, coarsest: int) -> Points:
    """Return the points ``seen`` in a tile, moved near zero by whole cells of the network's coarsest level.

    Such a cell is ``coarsest`` voxels wide. Any other move would make the coarse levels see other cells than in the
    whole scan, and than in training, where the floor is at z = 0: untrained for it, a network then mistakes the floor
    for something else.
    """
    moved = None if tile.moved is None else tile.moved * voxel_size
    coord = seen.coord if moved is None else seen.coord - moved
    cell = coarsest * voxel_size
    corner = np.floor(coord.min(axis=0) / cell) * cell
    points = make_points(replace(seen, coord=coord - corner), floor=-corner[2])
    return points if moved is None else points.having(height=seen.coord[:, 2].astype(np.float32))


def turned(points: Points, vote: int, votes: int, voxel_size: float) -> Points:
    """Return the points as one vote sees them: turned about the vertical and moved sideways; vote 0 as they are."""
    angle = 2 * math.pi * vote / votes
    cos, sin = math.cos(angle), math.sin(angle)
    seen = points.mapped(np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])) if vote else points
    shift = voxel_size * np.modf(vote * np.array([0.382, 0.618, 0.0]))[0]
    return replace(seen, coord=seen.coord + shift.astype(np.float32))


def chosen(values: np.ndarray | None, rows: np.ndarray | None) -> np.ndarray:
    """Return ``rows`` of ``values``; None stands for all rows, and for values that are their numbers."""
    if values is None or rows is None:
        return values if rows is None else rows  # type: ignore[return-value]
    return np.asarray(values[rows])
