"""Make the graph of a scan of any size with a bounded number of nodes, so that labels spread over it in no time."""

from __future__ import annotations

import math

import numpy as np
from scipy.sparse.csgraph import dijkstra

from pcseg.pseudo import SurfaceGraph, surface_graph
from pcseg.scenes.scene import Scene

MOST_NODES = 200_000
"""Nodes of a graph; of a larger scan the points of a voxel are one node."""

REACH = 0.4
"""Meters as the crow flies, along usual paths, over which a label counts half where nodes are GAP apart."""

GAP = 0.04
"""Meters, as in a room of 100,000 points."""

_LAMP = np.array([0.42, 0.27, 0.87])
"""Direction of the light, as of the pictures."""

_SAMPLE = 400_000
"""Points by which the size of the voxels is found."""


def bounded_graph(scene: Scene, most: int = MOST_NODES) -> tuple[SurfaceGraph, float]:
    """Return the graph of a scene with about ``most`` nodes or fewer, and the size of its voxels in meters, 0 for none.

    A scan of no more than ``most`` points is a node a point, as tools/spread_labels.py has it.
    """
    if len(scene) <= most:
        return surface_graph(scene.coord, scene.attributes), 0.0
    size = voxel_size(np.asarray(scene.coord), most)
    return surface_graph(scene.coord, scene.attributes, voxel_size=size), size


def voxel_size(coord: np.ndarray, most: int) -> float:
    """Return the size in meters of voxels of which the points ``coord`` (P, 3) fill about ``most``.

    Filled voxels are counted in a sample, whose size a surface of ``most`` voxels is hit by several times each.
    """
    sample = coord[:: max(1, len(coord) // max(_SAMPLE, 4 * most))].astype(np.float64)
    place = sample - sample.min(axis=0)
    size = max(float(place.max()), 1e-3) / math.sqrt(most)
    for _ in range(6):
        filled = _filled(place, size)
        if 0.6 * most <= filled <= 0.85 * most:
            break
        size *= max(0.2, min(5.0, math.sqrt(filled / (0.75 * most))))
    return size


def brightness(graph: SurfaceGraph) -> np.ndarray:
    """Return the brightness (N,) uint8 of each node, lit from above and the side."""
    return np.round(255 * (0.66 + 0.34 * np.abs(graph.normal @ _LAMP))).astype(np.uint8)


def spacing(graph: SurfaceGraph, points: int) -> float:
    """Return the distance in meters at which discs around ``points`` points of a scan meet, from those of its nodes."""
    return 2.0 * _gap(graph) * math.sqrt(len(graph) / max(points, 1))


def reach(graph: SurfaceGraph) -> float:
    """Return the cost of a path at which a label counts half.

    That is the usual cost of REACH meters, measured on the paths to the middle of the scan, where nodes are GAP apart,
    and of as many more as the square root of their distance says: what is scanned from afar has larger parts.
    """
    middle = int(((graph.position - graph.position.mean(axis=0)) ** 2).sum(axis=1).argmin())
    cost = dijkstra(graph.cost, indices=middle)
    away = np.linalg.norm(graph.position - graph.position[middle], axis=1)
    there = np.isfinite(cost) & (away > 0)
    if not there.any():
        return REACH
    found = float(np.median(cost[there] / away[there])) * REACH * math.sqrt(_gap(graph) / GAP)
    return max(found, 1e-3)


def _gap(graph: SurfaceGraph) -> float:
    """Return the usual distance of neighboring nodes, in meters."""
    sample = np.arange(len(graph))[:: max(1, len(graph) // 20_000)]
    first = graph.cost.indptr[sample]
    there = graph.cost.indices[np.minimum(first, max(graph.cost.nnz - 1, 0))] if graph.cost.nnz else sample
    length = np.linalg.norm(graph.position[sample] - graph.position[there], axis=1)
    length = length[length > 0]
    return float(np.median(length)) if len(length) else GAP


def _filled(place: np.ndarray, size: float) -> int:
    cells = np.floor(place / size).astype(np.int64)
    extent = cells.max(axis=0) + 1
    keys = np.sort((cells[:, 0] * extent[1] + cells[:, 1]) * extent[2] + cells[:, 2])
    return 1 + int(np.count_nonzero(keys[1:] != keys[:-1]))
