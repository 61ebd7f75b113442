"""A tile as a network sees it, in each view of which the mean is taken."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pcseg.engine.tiles import Tile
from pcseg.feeding.points import make_points
from pcseg.feeding.sample import Sample, make_sample, voxel_sample
from pcseg.model.inputs import VoxelInputs
from pcseg.scenes.points import Points
from pcseg.scenes.scene import Scene


def tile_samples(tile: Tile, seen: Scene, inputs: VoxelInputs, coarsest: int, votes: int) -> Iterator[Sample]:
    """Yield what the network sees of a tile, whose points are ``seen``, in each view.

    The tile is moved near zero by whole cells of the network's coarsest level, ``coarsest`` voxels wide. Any other move
    would make the coarse levels see other cells than in the whole scan, and than in training, where the floor is at
    z = 0: untrained for it, a network then mistakes the floor for something else. A thin tile has a single view, of the
    voxels along which it was cut; of several views each is cut in float32, from the corner of the tile.
    """
    size, features = inputs.voxel_size, inputs.features
    corner = tile.voxels.min(axis=0) // coarsest * coarsest
    moved = corner if tile.moved is None else tile.moved + corner
    points = make_points(replace(seen, coord=seen.coord - moved * size), floor=-corner[2] * size)
    if tile.moved is not None:
        points = points.having(height=seen.coord[:, 2].astype(np.float32))
    if tile.thin:
        yield voxel_sample(points, (tile.voxels - corner).astype(np.int32), features)
    else:
        for vote in range(votes):
            yield make_sample(turned(points, vote, votes, size), features, size)


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
