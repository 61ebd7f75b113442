"""Cut a scan of any size into tiles that overlap, so that memory follows the tile and not the scan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from pcseg.errors import InputError
from pcseg.ops import COORDINATE_LIMIT

LARGEST = COORDINATE_LIMIT // 2
"""Largest extent of a tile, in voxels, whatever it holds: turned and moved, its voxels still have numbers."""


@dataclass(frozen=True)
class Tile:
    """Indices of points: ``context`` is what the network sees, ``core`` (a mask over it) what it decides.

    The cores of all tiles partition the scan. ``voxels`` counts the voxels of the context. ``moved`` (context, 3)
    int64: by how many voxels, multiples of the coarsest cell, the points are to be moved back, to where their island
    has its place among the others; None where all stay.
    """

    context: np.ndarray
    core: np.ndarray
    voxels: int
    moved: np.ndarray | None = None


def tiles(xyz: np.ndarray, voxel_size: float, max_voxels: int, halo: float, coarsest: int = 1) -> Iterator[Tile]:
    """Bisect a cloud (P, 3) until no tile, its halo of ``halo`` meters included, holds over ``max_voxels`` voxels.

    A scan that fits is one tile. A tile is cut across its longest side through the median of its voxels. Where voxels
    are so dense that the halo alone is too much, the halo of that tile is halved. A tile also holds at most ``10 *
    max_voxels`` points, except where one voxel alone has more, and spans what the ops can number. Voxels are aligned
    to the origin of ``xyz``. The order and the cuts are deterministic.

    Where the scan is too long for one tile, islands that no convolution reaches across from each other (which are
    apart by more than the halo and two cells of ``coarsest`` voxels) are first moved side by side, by whole cells: so
    points far from each other share a tile, and the cost follows the points and not the distance between them.
    """
    if max_voxels < 1:
        raise InputError(f"max_voxels: {max_voxels} is too small; give 1 or more (about 200000)")
    cell = np.floor(xyz / voxel_size).astype(np.int64)
    margin = int(np.ceil(halo / voxel_size))
    moved = _closer(cell, max(margin, 2 * coarsest), coarsest)
    if moved is not None:
        cell -= moved
    voxel, inverse, count = _unique(cell - cell.min(axis=0))
    order = np.argsort(inverse, kind="stable")
    start = np.concatenate([[0], np.cumsum(count)])
    for inside, context in _split(voxel, count, max_voxels, margin):
        points = order[_ranges(start[context], count[context])]
        core = np.repeat(inside, count[context])
        yield Tile(points, core, len(context), None if moved is None else moved[points])


def _closer(cell: np.ndarray, wide: int, step: int) -> np.ndarray | None:
    """Return the voxels (P, 3) by which to move back each, so that islands stand in a row; None if all is near.

    Islands are ``wide`` voxels or more from each other, before and after; they are moved by multiples of ``step``.
    """
    if (np.ptp(cell, axis=0) < LARGEST).all():
        return None
    block, inverse = np.unique(cell // wide, axis=0, return_inverse=True)
    pairs = cKDTree(block).query_pairs(1.5, p=np.inf, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), dtype=bool), pairs.T), shape=(len(block), len(block)))
    count, island = connected_components(graph, directed=False)
    island = island[inverse.reshape(-1)]
    low = np.full((count, 3), np.iinfo(np.int64).max)
    high = np.full((count, 3), np.iinfo(np.int64).min)
    np.minimum.at(low, island, cell)
    np.maximum.at(high, island, cell)
    low = low // step * step
    place = np.zeros_like(low)
    place[1:, 0] = np.cumsum((high[:-1, 0] - low[:-1, 0] + wide) // step + 1) * step
    return np.asarray((low - place)[island])


def _split(voxel: np.ndarray, count: np.ndarray, max_voxels: int, halo: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (core mask over the context, context indices) of each tile, on the voxels (V, 3)."""
    box = np.stack([voxel.min(axis=0), voxel.max(axis=0) + 1])
    # Each entry carries the voxels of its parent's context, so that a cut looks at them and not at the whole scan.
    todo = [(box, np.arange(len(voxel)), halo)]
    while todo:
        (low, high), candidates, margin = todo.pop()
        near = ((voxel[candidates] >= low - margin) & (voxel[candidates] < high + margin)).all(axis=1)
        context = candidates[near]
        inside = ((voxel[context] >= low) & (voxel[context] < high)).all(axis=1)
        if not inside.any():
            continue
        small = len(context) <= max_voxels and count[context].sum() <= 10 * max_voxels
        if small and (np.ptp(voxel[context], axis=0) < LARGEST).all():
            yield inside, context
            continue
        core = voxel[context[inside]]
        low, high = core.min(axis=0), core.max(axis=0) + 1
        axis = int(np.argmax(high - low))
        if margin and high[axis] - low[axis] <= margin:
            todo.append((np.stack([low, high]), context, margin // 2))
        elif high[axis] - low[axis] == 1:
            yield inside, context
        else:
            cut = np.clip(int(np.median(core[:, axis])), low[axis] + 1, high[axis] - 1)
            left_high, right_low = high.copy(), low.copy()
            left_high[axis] = right_low[axis] = cut
            todo.append((np.stack([right_low, high]), context, margin))
            todo.append((np.stack([low, left_high]), context, margin))


def _unique(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct rows of ``cell`` (P, 3), sorted; the row of each point; the number of points of each row."""
    shape = cell.max(axis=0) + 1
    if np.prod(shape.astype(np.float64)) < 2**62:  # one integer a voxel sorts many times faster than rows
        key, inverse, count = np.unique(
            np.ravel_multi_index(tuple(cell.T), tuple(shape)), return_inverse=True, return_counts=True
        )
        return np.stack(np.unravel_index(key, tuple(shape)), axis=1), inverse, count
    voxel, inverse, count = np.unique(cell, axis=0, return_inverse=True, return_counts=True)
    return voxel, inverse.reshape(-1), count


def _ranges(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return ``[start_0, ..., start_0 + length_0 - 1, start_1, ...]``."""
    ends = np.cumsum(length)
    return np.arange(ends[-1]) + np.repeat(start - (ends - length), length)
