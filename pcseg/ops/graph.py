"""On the neighbor graph of a scan: cheapest paths to each class, merges along a spanning tree, sums over neighbors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops.neighbors import knn


class Sums(NamedTuple):
    """Sums over the nearest others of N points, float32, each the smaller number of them first."""

    first: Tensor
    """(N, 2, 3): of the offsets to them."""
    second: Tensor
    """(N, 2, 3, 3): of the products of the offsets."""
    mean: Tensor
    """(N, C): of the columns, the mean over the smaller number."""
    total: Tensor
    """(N, C): of the columns."""
    squares: Tensor
    """(N, C): of the squares of the columns."""
    nearest: Tensor
    """(N,): the distance to the nearest."""


# All of these run on the CPU, and have no gradient. Edges `starts[n]` to `starts[n + 1]` lead from node n to `ends`.


def class_paths(
    starts: Tensor, ends: Tensor, cost: Tensor, label: Tensor, n_classes: int, left_out: bool = False
) -> Tensor:
    """Return the cost (N, K) float32 of the cheapest path from each node to one that is labeled with each class.

    ``starts`` (N + 1,) int64, ``ends`` (M,) int32, ``cost`` (M,) float32 above 0: edges, each in both directions.
    ``label`` (N,) int64, negative where unknown. Infinite where no path leads there. ``left_out``: only for the n
    labeled nodes, in order, (n, K), as if the label of each were unknown: the cheapest path between two labels of a
    class leads across the border of the nodes that are nearest to the one. Raises InputError for a label beyond K.
    """
    n, m = len(starts) - 1, len(ends)
    _check(
        starts=(starts, torch.int64), ends=(ends, torch.int32), cost=(cost, torch.float32), label=(label, torch.int64)
    )
    if n < 0 or len(label) != n or len(cost) != m or int(starts[0]) != 0 or int(starts[-1]) != m:
        raise InputError(f"graph: {len(starts)} starts, {m} ends, {len(cost)} costs, {len(label)} labels do not fit")
    if bool((starts.diff() < 0).any()) or (m and not 0 <= int(ends.min()) <= int(ends.max()) < n):
        raise InputError(f"ends: not all are nodes; give numbers from 0 to {n - 1}, and starts that ascend")
    if m and not bool((cost >= 0).all()):
        raise InputError("cost: some edges cost less than 0 or NaN; give 0 or more")
    if n and int(label.max()) >= n_classes:
        raise InputError(f"label: {int(label.max())} is no class; there are {n_classes}")
    return torch.ops.pcseg.class_paths(starts, ends, cost, label, n_classes, left_out)


def tree_cores(one: Tensor, other: Tensor, cost: Tensor, n_nodes: int, core: float) -> Tensor:
    """Return the part (N,) int32 of each node, the number of one of its nodes.

    ``one``, ``other`` (M,) int32 and ``cost`` (M,) float64: edges of a spanning tree, cheapest first. An edge merges
    two parts if it costs no more than the most expensive inner edge of either, plus ``core`` over its nodes
    (Felzenszwalb and Huttenlocher, "Efficient graph-based image segmentation", IJCV 2004).
    """
    _check(one=(one, torch.int32), other=(other, torch.int32), cost=(cost, torch.float64))
    if not len(one) == len(other) == len(cost):
        raise InputError(f"tree: {len(one)}, {len(other)} ends and {len(cost)} costs do not fit")
    for side in (one, other):
        if len(side) and not 0 <= int(side.min()) <= int(side.max()) < n_nodes:
            raise InputError(f"tree: not all ends are nodes; give numbers from 0 to {n_nodes - 1}")
    return torch.ops.pcseg.tree_cores(one, other, cost, n_nodes, core)


def surroundings(position: Tensor, columns: Tensor, few: int, all_: int) -> Sums:
    """Return sums over the nearest ``few`` and over the ``all_`` nearest other points of each, nearest first.

    ``position`` (N, 3) float64, ``columns`` (N, C) float32. The point itself stands in where there are fewer others.
    Raises InputError for NaN and infinite positions.
    """
    _check(position=(position, torch.float64), columns=(columns, torch.float32))
    if position.shape[1:] != (3,) or columns.dim() != 2 or len(columns) != len(position):
        raise InputError(f"position: {tuple(position.shape)}, columns: {tuple(columns.shape)}; give (N, 3) and (N, C)")
    if not 1 <= few <= all_:
        raise InputError(f"few={few}, all_={all_}: give 1 or more, and no fewer in all")
    if not position.isfinite().all():
        raise InputError("position: some coordinates are NaN or infinite; remove those points")
    return Sums(*torch.ops.pcseg.surroundings(position, columns, few, all_))


def _check(**values: tuple[Tensor, torch.dtype]) -> None:
    """Raise InputError for the first tensor that is of another type or not on the CPU."""
    for name, (value, dtype) in values.items():
        if value.dtype != dtype or value.device.type != "cpu":
            raise InputError(f"{name}: {value.dtype} on {value.device} given; give {dtype} on the CPU")


def _paths_reference(
    starts: Tensor, ends: Tensor, cost: Tensor, label: Tensor, n_classes: int, left_out: bool
) -> Tensor:
    labels, n = label.numpy(), len(label)
    graph = csr_array((cost.numpy(), ends.numpy(), starts.numpy()), shape=(n, n))
    known = np.flatnonzero(labels >= 0)
    distances = np.full((n, n_classes), np.inf, dtype=np.float32)
    one, other = np.repeat(np.arange(n), np.diff(graph.indptr)), graph.indices
    for k in np.unique(labels[known]):
        own = np.flatnonzero(labels == k)
        found, _, nearest = dijkstra(graph, indices=own, min_only=True, return_predecessors=True)
        distances[:, k] = found
        if left_out:
            border = (nearest[one] != nearest[other]) & (nearest[one] >= 0) & (nearest[other] >= 0)
            a, b = one[border], other[border]
            distances[own, k] = np.inf
            np.minimum.at(distances[:, k], nearest[a], found[a] + graph.data[border] + found[b])
    return torch.from_numpy(distances[known] if left_out else distances)


def _paths_fake(starts: Tensor, ends: Tensor, cost: Tensor, label: Tensor, n_classes: int, left_out: bool) -> Tensor:
    rows = torch.library.get_ctx().new_dynamic_size() if left_out else label.shape[0]
    return cost.new_empty(rows, n_classes)


def _paths_cpu(starts: Tensor, ends: Tensor, cost: Tensor, label: Tensor, n_classes: int, left_out: bool) -> Tensor:
    rows = int((label >= 0).sum()) if left_out else len(label)
    out = torch.empty(rows, n_classes)
    native.call(
        "pcseg_class_paths", starts.contiguous(), ends.contiguous(), cost.contiguous(), len(label), label.contiguous(),
        n_classes, int(left_out), out, torch.get_num_threads(),
    )  # fmt: skip
    return out


def _cores_reference(one: Tensor, other: Tensor, cost: Tensor, n_nodes: int, core: float) -> Tensor:
    parent, size, inner = list(range(n_nodes)), [1] * n_nodes, [0.0] * n_nodes

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b, price in zip(one.tolist(), other.tolist(), cost.tolist(), strict=True):
        a, b = find(a), find(b)
        if price <= min(inner[a] + core / size[a], inner[b] + core / size[b]):
            parent[b], size[a], inner[a] = a, size[a] + size[b], price
    return torch.tensor([find(node) for node in range(n_nodes)], dtype=torch.int32)


def _cores_cpu(one: Tensor, other: Tensor, cost: Tensor, n_nodes: int, core: float) -> Tensor:
    part = torch.empty(n_nodes, dtype=torch.int32)
    native.call(
        "pcseg_tree_cores",
        one.contiguous(),
        other.contiguous(),
        cost.contiguous(),
        len(one),
        n_nodes,
        float(core),
        part,
    )
    return part


def _sums_reference(position: Tensor, columns: Tensor, few: int, all_: int) -> tuple[Tensor, ...]:
    place, n = position.float(), len(position)
    near = knn(position, position, all_ + 1)[0][:, 1:]
    near = torch.where(near < 0, torch.arange(n)[:, None], near)
    found = Sums(*(tensor.zero_() for tensor in _sums_empty(position, columns, few, all_)))
    found.nearest.copy_((place[near[:, 0]] - place).norm(dim=1))
    for i in range(all_):
        offset, there = place[near[:, i]] - place, columns[near[:, i]]
        found.first[:, 1] += offset
        found.second[:, 1] += offset[:, :, None] * offset[:, None, :]
        found.total.add_(there)
        found.squares.add_(there * there)
        if i + 1 == few:
            found.first[:, 0], found.second[:, 0] = found.first[:, 1], found.second[:, 1]
            found.mean.copy_(found.total / few)
    return tuple(found)


def _sums_empty(position: Tensor, columns: Tensor, few: int, all_: int) -> tuple[Tensor, ...]:
    n, width = columns.shape
    shapes = ((n, 2, 3), (n, 2, 3, 3), (n, width), (n, width), (n, width), (n,))
    return tuple(columns.new_empty(shape) for shape in shapes)


def _sums_cpu(position: Tensor, columns: Tensor, few: int, all_: int) -> tuple[Tensor, ...]:
    found, columns = _sums_empty(position, columns, few, all_), columns.contiguous()
    native.call(
        "pcseg_surroundings", position.contiguous(), position.float().contiguous(), columns, columns.shape[1],
        len(position), few, all_, *found, torch.get_num_threads(),
    )  # fmt: skip
    return found


native.define(
    "class_paths(Tensor starts, Tensor ends, Tensor cost, Tensor label, SymInt n_classes, bool left_out) -> Tensor",
    reference=_paths_reference,
    fake=_paths_fake,
    cpu=_paths_cpu,
)
native.define(
    "tree_cores(Tensor one, Tensor other, Tensor cost, SymInt n_nodes, float core) -> Tensor",
    reference=_cores_reference,
    fake=lambda one, other, cost, n_nodes, core: one.new_empty(n_nodes),
    cpu=_cores_cpu,
)
native.define(
    "surroundings(Tensor position, Tensor columns, SymInt few, SymInt all_)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    reference=_sums_reference,
    fake=_sums_empty,
    cpu=_sums_cpu,
)
