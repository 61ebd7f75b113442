"""Nearest neighbors by sorting all points for each query."""

from __future__ import annotations

import numpy as np


def neighbors(
    query: np.ndarray, points: np.ndarray, k: int, r: float, query_sample: np.ndarray, point_sample: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Index and distance (Q, k); the smaller index first among equals, -1 and infinity where there are too few."""
    index, distance = np.full((len(query), k), -1), np.full((len(query), k), np.inf)
    for q, at in enumerate(query.astype(np.float64)):
        square = ((points.astype(np.float64) - at) ** 2).sum(axis=1)
        allowed = [i for i in range(len(points)) if point_sample[i] == query_sample[q] and square[i] <= r * r]
        best = sorted(allowed, key=lambda i: (square[i], i))[:k]
        index[q, : len(best)], distance[q, : len(best)] = best, np.sqrt(square[best])
    return index, distance
