"""Describe the surroundings of each node of a surface graph in numbers that a classifier can learn from few labels."""

from __future__ import annotations

import numpy as np
import torch

from pcseg.ops import main_axes, surroundings
from pcseg.pseudo.graph import SurfaceGraph
from pcseg.pseudo.superpoints import make_superpoints

NEIGHBORS = (16, 64)
"""Numbers of nearest nodes whose shape is described."""

REGULARIZATIONS = (2.0, 16.0, 64.0)
"""Those of the superpoints that are described (:func:`pcseg.pseudo.superpoints.make_superpoints`)."""

CELLS = (8.0, 40.0)
"""Edges of the columns in which a node's height is measured, over the median distance of nearest nodes."""

_CHUNK = 100_000
"""Number of nodes whose shapes are computed at a time."""


def describe(graph: SurfaceGraph, columns: np.ndarray) -> np.ndarray:
    """Return D descriptors (N, D) float32 of each node; ``columns`` (N, C): its attributes, such as colors in [0, 1].

    Of the nearest nodes: linearity, planarity, scattering (from the square roots of the eigenvalues of their
    covariance), size, and how steep normal and main direction are. Meters above the lowest and below the highest node,
    of the scan and of the nearest columns. The attributes, their mean and standard deviation nearby. Of the superpoint,
    at three sizes: log of its number of nodes, its extents, its lower and upper end, mean attributes and mean shapes.
    Heights are along z. The descriptors are those in use for forests on points (Weinmann et al., "Semantic point cloud
    interpretation based on optimal neighborhoods", 2015), here of superpoints too (Landrieu and Simonovsky,
    "Large-scale point cloud semantic segmentation with superpoint graphs", 2018).
    """
    place = graph.position.astype(np.float32)
    columns = np.asarray(columns, dtype=np.float32)
    shape, moments, nearest = _surroundings(graph.position, columns)
    z = place[:, 2]
    low, high = np.percentile(z, [0.5, 99.5]) if len(z) else (0.0, 0.0)
    spacing = max(float(np.median(nearest)) if len(z) else 1.0, 1e-6)
    found = [shape, np.stack([z - low, high - z], axis=1)]
    found += [_relief(place, spacing * cells) for cells in CELLS]
    found += [columns, moments]
    each, start = np.concatenate([columns, shape], axis=1), None
    for regularization in REGULARIZATIONS:
        start = make_superpoints(graph, regularization, start=start)
        found.append(_parts(place, start, each, low, high))
    return np.concatenate(found, axis=1, dtype=np.float32)


def _surroundings(position: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return shapes (N, 12), moments of ``columns`` (N, 2 C), and the distance (N,) to the nearest other node."""
    sums = surroundings(torch.from_numpy(position), torch.from_numpy(columns), *NEIGHBORS)
    first, second, mean, total, squares, nearest = (each.numpy() for each in sums)
    shape = np.zeros((len(position), 6 * len(NEIGHBORS)), np.float32)
    for start in range(0, len(position), _CHUNK):
        some = slice(start, start + _CHUNK)
        for i, count in enumerate(NEIGHBORS):
            shape[some, 6 * i : 6 * i + 6] = _shapes(first[some, i] / count, second[some, i] / count)
    count = NEIGHBORS[-1]
    spread = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0))
    return shape, np.concatenate([mean, spread], axis=1), nearest


def _shapes(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return linearity, planarity, scattering, |z| of normal and main direction, size (n, 6).

    ``first`` (n, 3), ``second`` (n, 3, 3): means of the offsets of the neighbors and of their products.
    """
    covariance = second - first[:, :, None] * first[:, None, :]
    values, vectors = (each.numpy() for each in main_axes(torch.from_numpy(covariance)))
    small, middle, large = np.sqrt(np.maximum(values, 1e-12)).T
    shares = [(large - middle) / large, (middle - small) / large, small / large]
    return np.stack([*shares, np.abs(vectors[:, 2, 0]), np.abs(vectors[:, 2, 2]), large], axis=1)


def _relief(place: np.ndarray, cell: float) -> np.ndarray:
    """Return meters (N, 2) above the lowest and below the highest node of 3 x 3 columns of ``cell`` meters."""
    if not len(place):
        return np.zeros((0, 2), np.float32)
    i, j = np.floor((place[:, :2] - place[:, :2].min(axis=0)) / cell).astype(np.int64).T + 1
    width = int(j.max()) + 2
    keys, column = np.unique(i * width + j, return_inverse=True)
    around = keys[:, None] + np.array([u * width + v for u in (-1, 0, 1) for v in (-1, 0, 1)])
    at = np.minimum(np.searchsorted(keys, around), len(keys) - 1)
    there = keys[at] == around
    found, z = [], place[:, 2]
    for sign in (1, -1):
        lowest = np.full(len(keys), np.inf, np.float32)
        np.minimum.at(lowest, column, sign * z)
        found.append(sign * z - np.where(there, lowest[at], np.inf).min(axis=1)[column])
    return np.stack(found, axis=1)


def _parts(place: np.ndarray, part: np.ndarray, each: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return what describes the superpoint ``part`` (N,) of each node; ``each`` (N, C) is averaged over it."""
    if not len(part):
        return np.zeros((0, 6 + each.shape[1]), np.float32)
    size = np.bincount(part)
    lowest, highest = np.full((len(size), 3), np.inf, np.float32), np.full((len(size), 3), -np.inf, np.float32)
    np.minimum.at(lowest, part, place)
    np.maximum.at(highest, part, place)
    extent = highest - lowest
    extent[:, :2].sort(axis=1)
    mean = np.stack([np.bincount(part, column) / size for column in each.T], axis=1)
    ends = np.stack([lowest[:, 2] - low, high - highest[:, 2]], axis=1)
    return np.concatenate([np.log(size)[:, None], extent, ends, mean], axis=1, dtype=np.float32)[part]
