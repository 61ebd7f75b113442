"""Cut a scan of any size into tiles that overlap, so that memory follows the tile and not the scan."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from pcseg.errors import InputError
from pcseg.ops import COORDINATE_LIMIT
from pcseg.scenes.places import column_bounds
from pcseg.spool import ROWS, let_go

LARGEST = COORDINATE_LIMIT // 2
"""Largest extent of a tile, in voxels, whatever it holds: turned and moved, its voxels still have numbers."""

EDGE = 1e-4
"""How far below its end, in voxels, a voxel leaves points to the next: coordinates in whole centimeters lie on ends and
differ in the last bits between a file and the scene made of it, by less in scans of up to 60 m in voxels of 5 cm."""


@dataclass(frozen=True)
class Tile:
    """Indices of points: ``context`` is what the network sees, ``core`` (a mask over it) what it decides.

    The cores of all tiles partition the scan. ``voxels`` (V, 3) int64, in lexicographic order, are those of the
    context, whose points stand together, in their order in the scan: ``held`` (V,) counts those of each. ``moved``
    (context, 3) int64: by how many voxels, multiples of the coarsest cell, the points are to be moved back, to where
    their island has its place among the others (``voxels`` are there); None where all stay. ``thin``: of each voxel,
    there is only the first point.
    """

    context: np.ndarray
    core: np.ndarray
    voxels: np.ndarray
    held: np.ndarray
    moved: np.ndarray | None = None
    thin: bool = False

    def thinned(self) -> Tile:
        """Return the tile with the first point of each voxel alone."""
        first = np.cumsum(self.held) - self.held
        moved = None if self.moved is None else self.moved[first]
        return Tile(self.context[first], self.core[first], self.voxels, np.ones_like(self.held), moved, thin=True)


def tiles(
    xyz: np.ndarray,
    voxel_size: float,
    max_voxels: int,
    halo: float,
    coarsest: int = 1,
    *,
    corner: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> Iterator[Tile]:
    """Bisect a cloud (P, 3) until no tile, its halo of ``halo`` meters included, holds over ``max_voxels`` voxels.

    A scan that fits is one tile. A tile is cut across its longest side through the median of its voxels. Where voxels
    are so dense that the halo alone is too much, the halo of that tile is halved. A tile also holds at most ``10 *
    max_voxels`` points, except where one voxel alone has more, and spans what the ops can number. Voxels are aligned
    to ``corner`` (3,), by default to the origin of ``xyz``. Of ``xyz``, only ``rows`` (n,) are looked at where they are
    given; tiles hold indices into these. The order and the cuts are deterministic. Beside the tile, about 20 bytes a
    point are held in memory.

    Where the scan is too long for one tile, islands that no convolution reaches across from each other (which are
    apart by more than the halo and two cells of ``coarsest`` voxels) are first moved side by side, by whole cells: so
    points far from each other share a tile, and the cost follows the points and not the distance between them.
    """
    if max_voxels < 1:
        raise InputError(f"max_voxels: {max_voxels} is too small; give 1 or more (about 200000)")
    count = len(xyz) if rows is None else len(rows)

    def of_piece(work: Callable[[np.ndarray], Any], at: slice) -> Any:
        found = work(xyz[at] if rows is None else xyz[rows[at]])
        let_go(xyz)
        return found

    def numbers(place: np.ndarray) -> np.ndarray:
        return np.floor((place if corner is None else place - corner) / voxel_size + EDGE).astype(np.int64)

    cells = partial(of_piece, numbers)
    margin = int(np.ceil(halo / voxel_size))
    ends = np.array([of_piece(column_bounds, at) for at in _pieces(count)])
    low, high = numbers(ends[:, 0].min(axis=0)), numbers(ends[:, 1].max(axis=0))
    moved = None
    if not (high - low < LARGEST).all():
        cell = cells(slice(None))
        moved = _closer(cell, max(margin, 2 * coarsest), coarsest)
        cell -= moved
        low, high = column_bounds(cell)
        voxel, order, start = _group(lambda at: cell[at], count, low, high)
        del cell
    else:
        voxel, order, start = _group(cells, count, low, high)
    for inside, context in _split(voxel, start, max_voxels, margin):
        held = start[context + 1] - start[context]
        points = order[_ranges(start[context], held)].astype(np.int64)
        there = voxel[:, context].T + low
        yield Tile(points, np.repeat(inside, held), there, held, None if moved is None else moved[points])


def _pieces(count: int) -> Iterator[slice]:
    """Yield the slices of at most ROWS of ``count`` rows."""
    return (slice(at, min(at + ROWS, count)) for at in range(0, count, ROWS))


def _closer(cell: np.ndarray, wide: int, step: int) -> np.ndarray:
    """Return the voxels (P, 3) by which to move back each, so that islands stand in a row.

    Islands are ``wide`` voxels or more from each other, before and after; they are moved by multiples of ``step``.
    """
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


def _split(voxel: np.ndarray, start: np.ndarray, max_voxels: int, halo: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (core mask over the context, context indices) of each tile, on the voxels (3, V).

    The points of voxel v are numbers ``start[v]`` to ``start[v + 1]``.
    """
    box = np.stack([voxel.min(axis=1), voxel.max(axis=1) + 1]).astype(np.int64)
    # Each entry carries the voxels of its parent's context, so that a cut looks at them and not at the whole scan.
    todo = [(box, np.arange(voxel.shape[1]), halo)]
    while todo:
        (low, high), candidates, margin = todo.pop()
        context = candidates[_within(voxel, candidates, low - margin, high + margin)]
        inside = _within(voxel, context, low, high)
        if not inside.any():
            continue
        small = len(context) <= max_voxels and (start[context + 1] - start[context]).sum() <= 10 * max_voxels
        if small and all(np.ptp(column[context]) < LARGEST for column in voxel):
            yield inside, context
            continue
        chosen = context[inside]
        low, high = (np.array(ends, dtype=np.int64) for ends in zip(*map(_ends, voxel, [chosen] * 3), strict=True))
        axis = int(np.argmax(high - low))
        if margin and high[axis] - low[axis] <= margin:
            todo.append((np.stack([low, high]), context, margin // 2))
        elif high[axis] - low[axis] == 1:
            yield inside, context
        else:
            cut = np.clip(int(np.median(voxel[axis][chosen])), low[axis] + 1, high[axis] - 1)
            left_high, right_low = high.copy(), low.copy()
            left_high[axis] = right_low[axis] = cut
            todo.append((np.stack([right_low, high]), context, margin))
            todo.append((np.stack([low, left_high]), context, margin))


def _within(voxel: np.ndarray, chosen: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return which of the ``chosen`` voxels are in the box from ``low`` to below ``high``."""
    found = np.ones(len(chosen), dtype=bool)
    for column, least, most in zip(voxel, low, high, strict=True):
        values = column[chosen]
        found &= (values >= least) & (values < most)
    return found


def _ends(column: np.ndarray, chosen: np.ndarray) -> tuple[int, int]:
    values = column[chosen]
    return int(values.min()), int(values.max()) + 1


def _group(
    cells: Callable[[slice], np.ndarray], count: int, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct cells (3, V), sorted; the points (P,) by cell; and where those of each cell start (V + 1,).

    ``cells`` returns the cells of a slice of the ``count`` points, which lie from ``low`` to ``high``. Points of one
    cell keep their order. A cell and the number of a point share one integer where they fit, which is sorted in place:
    many times faster than rows, and in 8 bytes a point.
    """
    shape, bits = tuple((high - low + 1).tolist()), (count - 1).bit_length()
    if math.prod(shape) << bits >= 1 << 63:
        every = cells(slice(None)) - low
        voxel, inverse, held = np.unique(every, axis=0, return_inverse=True, return_counts=True)
        return voxel.T, np.argsort(inverse.reshape(-1), kind="stable"), np.append(0, np.cumsum(held))
    packed = np.empty(count, dtype=np.int64)
    for at in _pieces(count):
        key = np.ravel_multi_index(tuple((cells(at) - low).T), shape)
        packed[at] = key << bits | np.arange(at.start, at.stop)
    packed.sort()
    order = np.empty(count, dtype=np.uint32 if bits <= 32 else np.int64)
    for at in _pieces(count):
        order[at] = packed[at] & ((1 << bits) - 1)
        packed[at] >>= bits
    first = np.append(True, packed[1:] != packed[:-1])
    start = np.append(np.flatnonzero(first), count)
    key = packed[start[:-1]]
    del packed
    voxel = np.empty((3, len(key)), dtype=np.int32)
    for at in _pieces(len(key)):
        voxel[:, at] = np.unravel_index(key[at], shape)
    return voxel, order, start


def _ranges(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return ``[start_0, ..., start_0 + length_0 - 1, start_1, ...]``."""
    ends = np.cumsum(length)
    return np.arange(ends[-1]) + np.repeat(start - (ends - length), length)
