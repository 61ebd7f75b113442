"""On the neighbor graph of a scan: its edges, cheapest paths to each class, merges along a spanning tree."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native

# All of these run on the CPU, and have no gradient. Edges `starts[n]` to `starts[n + 1]` lead from node n to `ends`.


def class_paths(starts: Tensor, ends: Tensor, cost: Tensor, label: Tensor, n_classes: int) -> Tensor:
    """Return the cost (N, K) float32 of the cheapest path from each node to one that is labeled with each class.

    ``starts`` (N + 1,) int64, ``ends`` (M,) int32, ``cost`` (M,) float32, 0 or more: edges, once in each direction.
    ``label`` (N,) int64, negative where unknown. Infinite where no path leads there. Raises InputError for edges that
    lead nowhere and for a label beyond K.
    """
    _check_labels(check_edges(starts, ends, cost), label, n_classes)
    return torch.ops.pcseg.class_paths(starts, ends, cost, label, n_classes, False)[0]


def left_out_paths(starts: Tensor, ends: Tensor, cost: Tensor, label: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """Return ``class_paths`` (N, K), and of the n labeled nodes, in order, (n, K) as if the label of each were unknown.

    That takes no second search: the cheapest path between two labels of a class leads across the border of the nodes
    that are nearest to the one.
    """
    _check_labels(check_edges(starts, ends, cost), label, n_classes)
    paths, left_out = torch.ops.pcseg.class_paths(starts, ends, cost, label, n_classes, True)
    return paths, left_out


def cores(starts: Tensor, ends: Tensor, cost: Tensor, core: float) -> Tensor:
    """Return the part (N,) int32 of each node, the number of one of its nodes.

    Edges as in ``class_paths``. Along the cheapest spanning tree, cheapest edge first, an edge merges two parts if it
    costs no more than the most expensive inner edge of either, plus ``core`` over its nodes (Felzenszwalb and
    Huttenlocher, "Efficient graph-based image segmentation", IJCV 2004).
    """
    check_edges(starts, ends, cost)
    return torch.ops.pcseg.cores(starts, ends, cost, core)


def edges(near: Tensor, distance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return both ends (M,) int32, the lower number first, and the length (M,) float64 of each edge once.

    ``near`` (N, k) int64: the distinct neighbors of each node, -1 for none, at ``distance`` (N, k) float64. An edge is
    there if one of its ends is a neighbor of the other. Raises InputError for neighbors that are no nodes.
    """
    check_types(near=(near, torch.int64), distance=(distance, torch.float64))
    if near.dim() != 2 or distance.shape != near.shape:
        raise InputError(f"near: {tuple(near.shape)}, distance: {tuple(distance.shape)}; give (N, k) of both")
    if len(near) >= 2**31:
        raise InputError(f"near: {len(near)} nodes are too many; give fewer than 2 ** 31")
    if near.numel() and not -1 <= int(near.min()) <= int(near.max()) < len(near):
        raise InputError(f"near: not all are nodes; give numbers from 0 to {len(near) - 1}, or -1 for none")
    one, other, length = torch.ops.pcseg.edges(near, distance)
    return one, other, length


def check_types(**values: tuple[Tensor, torch.dtype]) -> None:
    """Raise InputError for the first tensor that is of another type or not on the CPU."""
    for name, (value, dtype) in values.items():
        if value.dtype != dtype or value.device.type != "cpu":
            raise InputError(f"{name}: {value.dtype} on {value.device} given; give {dtype} on the CPU")


def check_edges(starts: Tensor, ends: Tensor, cost: Tensor) -> int:
    """Return the number of nodes; raises InputError for edges that are none."""
    n, m = len(starts) - 1, len(ends)
    check_types(starts=(starts, torch.int64), ends=(ends, torch.int32), cost=(cost, torch.float32))
    if not starts.dim() == ends.dim() == cost.dim() == 1:
        raise InputError(f"graph: {starts.dim()}, {ends.dim()} and {cost.dim()} dimensions given; give lists")
    if n < 0 or len(cost) != m or int(starts[0]) != 0 or int(starts[-1]) != m:
        raise InputError(f"graph: {len(starts)} starts, {m} ends, {len(cost)} costs do not fit")
    if bool((starts.diff() < 0).any()) or (m and not 0 <= int(ends.min()) <= int(ends.max()) < n):
        raise InputError(f"ends: not all are nodes; give numbers from 0 to {n - 1}, and starts that ascend")
    if m and not bool((cost >= 0).all()):
        raise InputError("cost: some edges cost less than 0 or NaN; give 0 or more")
    return n


def _check_labels(n: int, label: Tensor, n_classes: int) -> None:
    check_types(label=(label, torch.int64))
    if label.shape != (n,):
        raise InputError(f"graph: {n} nodes and {len(label)} labels do not fit")
    if n and int(label.max()) >= n_classes:
        raise InputError(f"label: {int(label.max())} is no class; there are {n_classes}")


def _paths_reference(
    starts: Tensor, ends: Tensor, cost: Tensor, label: Tensor, n_classes: int, left_out: bool
) -> tuple[Tensor, Tensor]:
    labels, n = label.numpy(), len(label)
    graph = csr_array((cost.numpy(), ends.numpy(), starts.numpy()), shape=(n, n))
    known = np.flatnonzero(labels >= 0)
    distances = np.full((n, n_classes), np.inf, dtype=np.float32)
    alone = distances.copy()
    one, other = np.repeat(np.arange(n), np.diff(graph.indptr)), graph.indices
    for k in np.unique(labels[known]):
        own = np.flatnonzero(labels == k)
        found, _, nearest = dijkstra(graph, indices=own, min_only=True, return_predecessors=True)
        distances[:, k] = alone[:, k] = found
        border = (nearest[one] != nearest[other]) & (nearest[one] >= 0) & (nearest[other] >= 0)
        a, b = one[border], other[border]
        alone[own, k] = np.inf
        np.minimum.at(alone[:, k], nearest[a], found[a] + graph.data[border] + found[b])
    return torch.from_numpy(distances), torch.from_numpy(alone[known if left_out else known[:0]])


def _paths_fake(
    starts: Tensor, ends: Tensor, cost: Tensor, label: Tensor, n_classes: int, left_out: bool
) -> tuple[Tensor, Tensor]:
    rows = torch.library.get_ctx().new_dynamic_size() if left_out else 0
    return cost.new_empty(label.shape[0], n_classes), cost.new_empty(rows, n_classes)


def _paths_cpu(
    starts: Tensor, ends: Tensor, cost: Tensor, label: Tensor, n_classes: int, left_out: bool
) -> tuple[Tensor, Tensor]:
    out = torch.empty(len(label), n_classes)
    alone = torch.empty(int((label >= 0).sum()) if left_out else 0, n_classes)
    native.call(
        "pcseg_class_paths", starts.contiguous(), ends.contiguous(), cost.contiguous(), len(label), label.contiguous(),
        n_classes, out, alone if left_out else None, torch.get_num_threads(),
    )  # fmt: skip
    return out, alone


def _edges_reference(near: Tensor, distance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    own = torch.arange(len(near))[:, None].expand(near.shape)
    there = (near >= 0) & (near != own)
    back = (near[near.clamp(min=0)] == own[..., None]).any(dim=2)
    there &= (near > own) | ~back
    one, other = own[there], near[there]
    return torch.minimum(one, other).int(), torch.maximum(one, other).int(), distance[there]


def _edges_fake(near: Tensor, distance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    m = torch.library.get_ctx().new_dynamic_size()
    return near.new_empty(m, dtype=torch.int32), near.new_empty(m, dtype=torch.int32), distance.new_empty(m)


def _edges_cpu(near: Tensor, distance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    one, other = (torch.empty(near.numel(), dtype=torch.int32) for _ in range(2))
    length, count = torch.empty(near.numel(), dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    n, k = near.shape
    native.call("pcseg_edges", near.contiguous(), distance.contiguous(), n, k, one, other, length, count)
    m = int(count)
    return one[:m].clone(), other[:m].clone(), length[:m].clone()


def _cores_reference(starts: Tensor, ends: Tensor, cost: Tensor, core: float) -> Tensor:
    n = len(starts) - 1
    tree, parent, size, inner = list(range(n)), list(range(n)), [1] * n, [0.0] * n

    def find(parent: list[int], node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    one = torch.arange(n).repeat_interleave(starts.diff())
    for price, a, b in sorted(zip(cost.tolist(), one.tolist(), ends.tolist(), strict=True)):
        if a >= b or find(tree, a) == find(tree, b):
            continue
        tree[find(tree, a)] = find(tree, b)
        a, b = find(parent, a), find(parent, b)
        if price <= min(inner[a] + core / size[a], inner[b] + core / size[b]):
            parent[b], size[a], inner[a] = a, size[a] + size[b], price
    return torch.tensor([find(parent, node) for node in range(n)], dtype=torch.int32)


def _cores_cpu(starts: Tensor, ends: Tensor, cost: Tensor, core: float) -> Tensor:
    part = torch.empty(len(starts) - 1, dtype=torch.int32)
    edges = (starts.contiguous(), ends.contiguous(), cost.contiguous())
    native.call("pcseg_cores", *edges, len(part), float(core), part)
    return part


native.define(
    "class_paths(Tensor starts, Tensor ends, Tensor cost, Tensor label, SymInt n_classes, bool left_out)"
    " -> (Tensor, Tensor)",
    reference=_paths_reference,
    fake=_paths_fake,
    cpu=_paths_cpu,
)
native.define(
    "edges(Tensor near, Tensor distance) -> (Tensor, Tensor, Tensor)",
    reference=_edges_reference,
    fake=_edges_fake,
    cpu=_edges_cpu,
)
native.define(
    "cores(Tensor starts, Tensor ends, Tensor cost, float core) -> Tensor",
    reference=_cores_reference,
    fake=lambda starts, ends, cost, core: ends.new_empty(starts.shape[0] - 1),
    cpu=_cores_cpu,
)
