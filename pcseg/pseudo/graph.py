"""A graph over the scanned surface: which points are neighbors, and what it costs to go from one to the next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array

from pcseg.checks import at_least_zero
from pcseg.defaults import COLOR, DISTANCE, NORMAL
from pcseg.errors import InputError
from pcseg.ops import COORDINATE_LIMIT, edges, knn, normals, quantize, voxelize

NORMAL_NEIGHBORS = 16
"""Number of nearest nodes, itself included, that the normal of a node is computed from."""

_CHUNK = 1_000_000
"""Number of edges whose costs are computed at a time."""


@dataclass(frozen=True)
class EdgeCosts:
    """Weights of the terms of an edge's cost, which has no unit.

    ``distance``: of its length over the median length; ``normal``: of 1 - abs(n_i . n_j); ``color``: of the mean
    absolute difference of the colors in [0, 1]; ``attributes``: by name, of the absolute difference of a column such as
    intensity, over the range from its 1st to its 99th percentile. Terms whose attribute a scan lacks are left out.
    Raises InputError for a weight below 0.
    """

    distance: float = DISTANCE
    normal: float = NORMAL
    color: float = COLOR
    attributes: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = {"distance": self.distance, "normal": self.normal, "color": self.color, **self.attributes}
        at_least_zero(**{f"costs.{name}": weight for name, weight in named.items()})


@dataclass(frozen=True)
class SurfaceGraph:
    """N nodes that stand for P points.

    ``cost`` (N, N) float32, sparse and symmetric: what each edge costs. ``node`` (P,) int64: the node of each point.
    ``position`` (N, 3) float64: meters from the lowest corner of the scan. ``normal`` (N, 3) float32, of either sign.
    ``colored``: the costs depend on colors.
    """

    cost: csr_array
    node: np.ndarray
    position: np.ndarray
    normal: np.ndarray
    colored: bool = False

    def __len__(self) -> int:
        return len(self.position)

    def edges(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return where the edges of each node start (N + 1,) int64, their ends (M,) int32 and costs (M,) float32."""
        kinds = ((self.cost.indptr, np.int64), (self.cost.indices, np.int32), (self.cost.data, np.float32))
        starts, ends, cost = (torch.from_numpy(values.astype(kind, copy=False)) for values, kind in kinds)
        return starts, ends, cost

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean (N, ...) float32 over the points of each node of ``values`` (P, ...)."""
        return _mean(self.node, len(self), values)


def surface_graph(
    coord: np.ndarray,
    attributes: Mapping[str, np.ndarray],
    costs: EdgeCosts | None = None,
    voxel_size: float | None = None,
    neighbors: int = 10,
) -> SurfaceGraph:
    """Return the graph of points ``coord`` (P, 3) in meters, each joined with its nearest ``neighbors``.

    Points of one voxel of ``voxel_size`` meters are one node, at their mean; None makes each point a node, and suits
    scans of even density. ``attributes`` (P, ...) by name: ``color`` (P, 3) uint8 and the columns that ``costs`` names.
    An edge is there in both directions if one of the two nodes is among the nearest of the other. Time and memory grow
    linearly with P. Raises InputError for coordinates that are not finite, and for a column that is missing.
    """
    costs = costs or EdgeCosts()
    coord = np.asarray(coord)
    if not np.isfinite(coord).all():
        raise InputError("graph: some coordinates are NaN or infinite; remove those points")
    missing = sorted(set(costs.attributes) - attributes.keys())
    if missing:
        raise InputError(f"costs.attributes: there is no column {missing[0]}; name one of {', '.join(attributes)}")
    place = coord - coord.min(axis=0) if len(coord) else coord
    node = _nodes(place, voxel_size)
    count = int(node.max(initial=-1)) + 1
    position = _mean(node, count, place, np.float64)
    index, distance = _nearest(position, max(neighbors, NORMAL_NEIGHBORS - 1))
    nearest = torch.from_numpy(np.ascontiguousarray(index[:, : NORMAL_NEIGHBORS - 1]))
    normal = normals(torch.from_numpy(position), nearest).numpy()
    near = [torch.from_numpy(np.ascontiguousarray(each[:, :neighbors])) for each in (index, distance)]
    del index, distance, nearest
    one, other, length = (each.numpy() for each in edges(*near))
    columns = [(costs.attributes[name], _mean(node, count, _scaled(attributes[name]))) for name in costs.attributes]
    if "color" in attributes:
        columns.insert(0, (costs.color, _mean(node, count, attributes["color"]) / 255))
    unit = max(float(np.median(length)) if len(length) else 0.0, 1e-9)
    cost = np.empty(len(length), dtype=np.float32)
    for start in range(0, len(cost), _CHUNK):
        some = slice(start, start + _CHUNK)
        a, b = one[some], other[some]
        each = costs.distance * length[some] / unit
        each += costs.normal * (1 - np.abs(np.einsum("ec,ec->e", normal[a], normal[b])))
        for weight, column in columns:
            each += weight * np.abs(column[a] - column[b]).reshape(len(a), -1).mean(axis=1)
        cost[some] = np.maximum(each, 1e-6)  # 0 would be no edge
    del length
    both = coo_array((np.tile(cost, 2), (np.concatenate([one, other]), np.concatenate([other, one]))), (count, count))
    return SurfaceGraph(both.tocsr(), node, position, normal, "color" in attributes and costs.color > 0)


def _nodes(place: np.ndarray, voxel_size: float | None) -> np.ndarray:
    if voxel_size is None:
        return np.arange(len(place))
    if place.size and place.max() >= COORDINATE_LIMIT * voxel_size:  # strays: the empty space before them is left out
        place = np.stack([_without_gaps(np.floor(column / voxel_size)) for column in place.T], axis=1) * voxel_size
    coords = quantize(torch.from_numpy(np.ascontiguousarray(place, dtype=np.float64)), voxel_size)
    return voxelize(torch.nn.functional.pad(coords, (1, 0))).inverse.numpy()


def _without_gaps(cell: np.ndarray) -> np.ndarray:
    """Return the places (P,) of the middles of cells along an axis, without the empty cells between them."""
    return np.unique(cell, return_inverse=True)[1] + 0.5


def _mean(node: np.ndarray, count: int, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
    columns = np.asarray(values).reshape(len(node), math.prod(np.shape(values)[1:]))
    sums = np.stack([np.bincount(node, column, count) for column in columns.T], axis=1)
    each = np.maximum(np.bincount(node, minlength=count), 1)
    return (sums / each[:, None]).reshape(count, *np.shape(values)[1:]).astype(dtype)


def _scaled(column: np.ndarray) -> np.ndarray:
    """Return a column (P,) over its range between percentiles 1 and 99, cut to it; values that are no numbers are 0."""
    values = np.asarray(column, dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros(len(values))
    low, high = np.percentile(finite, [1, 99])
    return np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-12), 0, 1)


def _nearest(position: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers (N, count) int64 of the nearest other nodes, -1 for none, and their distances float64."""
    points = torch.from_numpy(position)
    index, distance = (a.numpy() for a in knn(points, points, count + 1))
    # The node itself is first, unless others share its place: then it is dropped wherever it stands.
    if (index[:, 0] == np.arange(len(index))).all():
        return index[:, 1:], distance[:, 1:]
    own = index == np.arange(len(index))[:, None]
    own[~own.any(axis=1), -1] = True
    return index[~own].reshape(-1, count), distance[~own].reshape(-1, count)
