"""The shape of the surface around each point: verticality, planarity, linearity, curvature and normals at a radius."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy.spatial import cKDTree

CELLS = 5.0
"""Number of cells along a radius: points are merged into cells of ``radius / CELLS`` first."""

UNIT = 0.001
"""Meters to which coordinates are rounded: features are the same to the bit in float32 and in UTM coordinates."""

_CHUNK = 50_000
"""Number of cells that are worked on at a time, which bounds the memory."""


def shapes(coord: np.ndarray, radius: float) -> dict[str, np.ndarray]:
    """Return ``verticality``, ``planarity``, ``linearity``, ``curvature`` (P,), ``normal`` (P, 3) of (P, 3); float32.

    Points are merged into cells of ``radius / 5``, each with the mean of its points, so that dense places do not
    outweigh others and the cost is bounded (spherical neighborhoods on a subsampled cloud: Thomas et al. 2018, arXiv
    1808.00495). The neighborhood of a cell are the means within ``radius`` meters of its own. With the
    eigenvalues l1 >= l2 >= l3 of their covariance matrix and its eigenvector n of l3 (Weinmann et al. 2015, "Semantic
    point cloud interpretation based on optimal neighborhoods"; linearity and planarity there are those of
    Demantke et al. 2011 without their square roots):

        linearity = (l1 - l2) / l1      planarity = (l2 - l3) / l1
        curvature = l3 / (l1 + l2 + l3)      verticality = 1 - |n_z|

    All points of a cell share its values. Where fewer than 3 means are near, or all are in one place, all values are
    0 and so is the normal. Normals point upward. Coordinates are rounded to UNIT.
    """
    place = np.round((coord - coord.min(axis=0)) / UNIT)
    cell = np.floor((place + 0.5) * (UNIT * CELLS / radius)).astype(np.int64)
    _, inverse = np.unique(cell, axis=0, return_inverse=True) if len(cell) else (cell, np.zeros(0, np.int64))
    inverse = inverse.reshape(-1)
    count = np.bincount(inverse)
    mean = np.stack([np.bincount(inverse, column) / count for column in place.T], axis=1) * UNIT
    values, vectors = np.linalg.eigh(_covariances(mean, radius))
    low, middle, high = np.maximum(values, 0).T
    known = high > 1e-12
    high = np.where(known, high, 1.0)
    total = np.where(known, low + middle + high, 1.0)
    normal = np.where(known[:, None], vectors[:, :, 0], 0.0)
    normal *= np.where(normal[:, 2:] < 0, -1.0, 1.0)
    found = {
        "linearity": (high - middle) / high,
        "planarity": (middle - low) / high,
        "curvature": low / total,
        "verticality": 1 - np.abs(normal[:, 2]),
    }
    found = {name: np.where(known, value, 0.0)[inverse].astype(np.float32) for name, value in found.items()}
    return {**found, "normal": normal[inverse].astype(np.float32)}


def _covariances(mean: np.ndarray, radius: float) -> np.ndarray:
    """Return the covariance (V, 3, 3) of the means (V, 3) within ``radius`` of each; zero for fewer than 3 of them."""
    result = np.zeros((len(mean), 3, 3))
    for rows, around in _slabs(mean, radius):
        one, other = cKDTree(mean[around]).query_pairs(radius, output_type="ndarray").T
        # Relative to the center, so that large coordinates cost no digits; the center itself adds only its count.
        offset = (mean[around[other]] - mean[around[one]]).T
        sums = partial(_sums, one, other, len(around))
        count = sums() + 1.0
        first = [sums(along, -1) / count for along in offset]
        inside = np.searchsorted(around, rows)
        for i in range(3):
            for j in range(i, 3):
                moment = sums(offset[i] * offset[j]) / count - first[i] * first[j]
                result[rows, i, j] = result[rows, j, i] = np.where(count >= 3, moment, 0.0)[inside]
    return result


def _sums(one: np.ndarray, other: np.ndarray, size: int, values: np.ndarray | None = None, sign: int = 1) -> np.ndarray:
    """Return for each of ``size`` members the sum of ``values`` over its pairs, times ``sign`` if it is the second."""
    return np.bincount(one, values, size) + sign * np.bincount(other, values, size)


def _slabs(mean: np.ndarray, radius: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows of _CHUNK neighbors along the longest axis, and all rows within ``radius`` of them, both sorted."""
    axis = int(np.argmax(np.ptp(mean, axis=0)))
    order = np.argsort(mean[:, axis], kind="stable")
    along = mean[order, axis]
    for start in range(0, len(order), _CHUNK):
        end = min(start + _CHUNK, len(order))
        low = np.searchsorted(along, along[start] - radius, "left")
        high = np.searchsorted(along, along[end - 1] + radius, "right")
        yield np.sort(order[start:end]), np.sort(order[low:high])
