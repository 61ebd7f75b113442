"""Suggest which points of a scan to label next: one at the middle of the superpoint that holds most doubt."""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import dijkstra

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo.graph import SurfaceGraph
from pcseg.pseudo.spreading import class_distances
from pcseg.pseudo.superpoints import make_superpoints, medoids

SUPERPOINTS = 4
"""Superpoints per point to label, those labeled already included: so a few at a time are as many at once."""

REACH = 2.0
"""Cost of a path after which a label says little: the doubt is then 63 % of its largest value."""

_FAR = 10 * REACH
"""Paths are followed up to this cost."""


def suggest_points(
    graph: SurfaceGraph,
    budget: int,
    labels: np.ndarray | None = None,
    doubt: np.ndarray | None = None,
    segments: np.ndarray | None = None,
) -> np.ndarray:
    """Return ``budget`` distinct nodes (n,) int64 to label, the most useful first; fewer where all others are labeled.

    The superpoint with the largest sum of doubt is chosen, and of it the node nearest to its middle, or if that has a
    label the node of most doubt; then the doubt is computed anew, as if the node had a class of its own, until there
    are enough. None is chosen again before all have been. The doubt of a node with the nearest label at the cost d1
    and the nearest of another class at d2 is (1 - exp(-d1 / REACH)) / (1 + d2 - d1). So without any label the largest
    superpoints come first.

    ``labels`` (N,) int64: those given, IGNORE elsewhere. ``doubt`` (N,): that of a network, such as
    :func:`network_doubt`, in place of 1 / (1 + d2 - d1). ``segments`` (N,): superpoints that a scan brings along, the
    parts to begin with. Raises InputError for a budget below 1.
    """
    if budget < 1:
        raise InputError(f"budget={budget}: give 1 or more")
    given = 0 if labels is None else int((labels != IGNORE).sum())
    part = make_superpoints(graph, 0.0, most=SUPERPOINTS * (budget + given), start=segments)
    middle = medoids(graph, part)
    first, second = _nearest_classes(graph, labels)
    taken = np.zeros(len(middle), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(budget, len(graph))):
        left = 1 - np.exp(-first / REACH)
        left *= 1 / (1 + second - first) if doubt is None else doubt
        total = np.bincount(part, left)
        if not total[~taken].any():
            taken[:] = False
        best = int(np.where(taken, 0, total).argmax())
        if not total[best] > 0:
            break
        taken[best] = True
        node = int(middle[best])
        if not first[node] > 0:
            rows = np.flatnonzero(part == best)
            node = int(rows[left[rows].argmax()])
        chosen.append(node)
        distance = np.minimum(dijkstra(graph.cost, indices=node, limit=_FAR), _FAR)
        second = np.minimum(second, np.maximum(first, distance))
        first = np.minimum(first, distance)
    return np.array(chosen, dtype=np.int64)


def network_doubt(probabilities: np.ndarray) -> np.ndarray:
    """Return the doubt (N,) float32 in [0, 1] of ``probabilities`` (N, K): 1 minus the margin of the best class."""
    if probabilities.shape[1] < 2:
        return 1 - probabilities.sum(axis=1)
    top = np.partition(probabilities, -2, axis=1)
    return 1 - (top[:, -1] - top[:, -2])


def _nearest_classes(graph: SurfaceGraph, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the cost (N,) of the cheapest path to a label, and to one of another class; _FAR where there is none."""
    nothing = np.full((len(graph), 2), _FAR)
    if labels is None:
        return nothing[:, 0], nothing[:, 1]
    found = np.hstack([class_distances(graph, labels, int(labels.max(initial=-1)) + 1), nothing])
    nearest = np.minimum(np.partition(found, 1, axis=1), _FAR)
    return nearest[:, 0], nearest[:, 1]
