"""Superpoints: parts of a scan within which the surface and its colors hardly change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import triu

from pcseg.checks import at_least_zero
from pcseg.errors import InputError
from pcseg.ops import cores
from pcseg.pseudo.graph import SurfaceGraph

_CORE = 1.0
"""Scale of the first merges: a superpoint's most expensive inner edge may exceed no neighbor's by more than this over
its number of nodes."""

_STEP = 2**0.25
"""Factor by which the regularization grows until there are few enough superpoints."""


def make_superpoints(
    graph: SurfaceGraph,
    regularization: float = 2.0,
    minimum: int = 5,
    most: int | None = None,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Return the superpoint (N,) int64 of each node, from 0 on; the same each time.

    Nodes are first merged along the cheapest edges, as long as these are about as cheap as those inside (Felzenszwalb
    and Huttenlocher, "Efficient graph-based image segmentation", IJCV 2004, on the minimum spanning tree). Parts of
    fewer than ``minimum`` nodes join the neighbor with the cheapest border. Then parts are merged while the mean cost
    of the edges across a border, times sqrt(n m / (n + m)) for n and m nodes, is below ``regularization``: the higher,
    the fewer superpoints. ``most``: raises the regularization until there are no more than this, unless no edge is left
    to merge along. ``start`` (N,): parts to begin with in place of the first merges, such as ScanNet's segments.
    Raises InputError for settings out of range.
    """
    at_least_zero(regularization=regularization)
    if most is not None and most < 1:
        raise InputError(f"most={most}: give 1 or more superpoints, or None")
    parts = _cores(graph) if start is None else np.unique(start, return_inverse=True)[1].reshape(-1)
    regions = _regions(graph, parts).joined(minimum).merged(regularization)
    while most is not None and len(regions.size) > most and len(regions.one):
        regularization = max(regularization, 0.5) * _STEP
        regions = regions.merged(regularization)
    return regions.part


def medoids(graph: SurfaceGraph, part: np.ndarray) -> np.ndarray:
    """Return for each superpoint the node (S,) int64 that is nearest to its mean position, given ``part`` (N,)."""
    size = np.bincount(part)
    mean = np.stack([np.bincount(part, column) for column in graph.position.T], axis=1) / size[:, None]
    square = ((graph.position - mean[part]) ** 2).sum(axis=1)
    return np.lexsort((square, part))[np.cumsum(size) - size]


def _cores(graph: SurfaceGraph) -> np.ndarray:
    """Return the part (N,) of each node after the merges of Felzenszwalb and Huttenlocher."""
    return np.unique(cores(*graph.edges(), _CORE).numpy(), return_inverse=True)[1].reshape(-1)


@dataclass(frozen=True)
class _Regions:
    """R regions and their borders.

    ``part`` (N,): the region of each node; ``size`` (R,): its nodes. ``one``, ``other`` (M,): the two regions of each
    border; ``cost`` (M,): the sum over its ``edges`` (M,) edges.
    """

    part: np.ndarray
    size: np.ndarray
    one: np.ndarray
    other: np.ndarray
    cost: np.ndarray
    edges: np.ndarray

    def merged(self, regularization: float) -> _Regions:
        """Return the regions after all merges whose price is below ``regularization``."""
        regions = self
        while True:
            n, m = regions.size[regions.one], regions.size[regions.other]
            price = regions.cost / regions.edges * np.sqrt(n * m / (n + m))
            if not (price < regularization).any():
                return regions
            regions = regions._contracted(_round(price, price < regularization, regions))

    def joined(self, minimum: int) -> _Regions:
        """Return the regions after those of fewer than ``minimum`` nodes have joined a neighbor."""
        regions = self
        while True:
            small = np.minimum(regions.size[regions.one], regions.size[regions.other]) < minimum
            if not small.any():
                return regions
            regions = regions._contracted(_round(regions.cost / regions.edges, small, regions))

    def _contracted(self, new: np.ndarray) -> _Regions:
        """Return the regions numbered by ``new`` (R,), borders between the same two summed."""
        size = np.bincount(new, self.size)
        one, other = new[self.one], new[self.other]
        apart = one != other
        pair = (np.minimum(one, other) * len(size) + np.maximum(one, other))[apart]
        pair, border = np.unique(pair, return_inverse=True)
        cost, edges = (np.bincount(border, values[apart], len(pair)) for values in (self.cost, self.edges))
        return _Regions(new[self.part], size, pair // len(size), pair % len(size), cost, edges)


def _regions(graph: SurfaceGraph, part: np.ndarray) -> _Regions:
    edges = triu(graph.cost, format="coo")
    count = int(part.max(initial=-1)) + 1
    nodes = _Regions(
        np.arange(len(graph)), np.ones(len(graph)), edges.row, edges.col, edges.data.astype(float), np.ones(edges.nnz)
    )
    return nodes._contracted(part) if count else nodes


def _round(price: np.ndarray, allowed: np.ndarray, regions: _Regions) -> np.ndarray:
    """Return a new number (R,) for each region after one round of merges along ``allowed`` borders (M,).

    Each region wants to merge along its cheapest border. The smaller one moves, and only into one that stays itself:
    so a wall takes all its scraps in one round, but no scrap joins two walls.
    """
    order = np.flatnonzero(allowed)
    order = order[np.argsort(price[order], kind="stable")]
    one, other, rank = regions.one[order], regions.other[order], np.arange(len(order))
    count, own = len(regions.size), np.arange(len(regions.size))
    best = np.full(count, len(order))
    np.minimum.at(best, one, rank)
    np.minimum.at(best, other, rank)
    wants = best < len(order)
    border = best[wants]
    to = own.copy()
    to[wants] = np.where(one[border] == own[wants], other[border], one[border])
    moves = (regions.size < regions.size[to]) | ((regions.size == regions.size[to]) & (own > to))
    return np.unique(np.where(moves & ~moves[to], to, own), return_inverse=True)[1].reshape(-1)
