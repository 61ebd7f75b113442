"""Ops between points and voxels, beside the same ops in NumPy, SciPy, torch and Open3D."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from benchmarks.harness.reference import reference_ops
from benchmarks.harness.timing import TOLERANCE, Case, Task
from pcseg import ops
from pcseg.sparse import kernel_offsets

PEERS = {
    "voxelize": ("numpy", "torch", "open3d"),
    "kernel_map": ("numpy",),
    "segment": ("numpy", "torch"),
    "neighbors": ("scipy", "open3d"),
    "devoxelize": ("numpy", "torch"),
}
"""Other implementations of each op."""
DIFFERENTIABLE = ("segment", "devoxelize")
K = 8
"""Neighbors of each voxel."""
BRUTE = 10_000
"""The reference of `neighbors` compares all pairs; beyond this many voxels it is left out."""


def implementations(case: Case) -> list[str]:
    """Return the implementations that can do an op of PEERS here, pcseg first."""
    found = ["pcseg"] if case.op == "neighbors" and len(case.cloud) > BRUTE else ["pcseg", "reference"]
    plain = case.op not in DIFFERENTIABLE or (case.mode == "forward" and case.dtype == torch.float32)
    plain = plain and torch.device(case.device).type == "cpu"
    usable = [name for name in PEERS[case.op] if plain or name == "torch"]
    return found + [name for name in usable if importlib.util.find_spec(name) is not None]


def prepare(case: Case, impl: str) -> Task:
    """Return the task of ``impl`` for an op of PEERS.

    voxelize: the voxels of all points, the first point of each voxel, and the voxel of each point. kernel_map: the
    3x3x3 neighbors of all voxels. segment: the mean of the features of each voxel's points. neighbors: the K nearest
    voxels of each voxel, by one of its points. devoxelize: the features of each point's voxel.
    """
    if impl == "reference":
        within = functools.partial(reference_ops, case.device)
        with within():
            return Task(*_prepare(case, "pcseg"), TOLERANCE[case.dtype], within)
    return Task(*_prepare(case, impl), TOLERANCE[case.dtype])


def _prepare(case: Case, impl: str) -> tuple[Callable[[], object], Callable[[], tuple[Tensor, ...]]]:
    cloud, on = case.cloud, torch.device(case.device)
    if case.op == "kernel_map":
        coords, offsets = torch.from_numpy(cloud.coords).to(on), kernel_offsets(3).to(on)
        find: Callable[..., tuple[Tensor, Tensor]] = {"pcseg": ops.kernel_map, "numpy": _kernel_map_numpy}[impl]
        return lambda: find(coords, coords, offsets), lambda: find(coords, coords, offsets)
    voxel = torch.from_numpy(cloud.voxel).to(on)
    if case.op == "voxelize":
        points = torch.from_numpy(cloud.coords[cloud.voxel]).to(on)
        if impl == "open3d":
            return lambda: _slots_open3d(points), lambda: _in_order(points, _slots_open3d(points)[0])
        others = {"numpy": _voxelize_numpy, "torch": _voxelize_torch}
        divide: Callable[[Tensor], tuple[Tensor, ...]] = ops.voxelize if impl == "pcseg" else others[impl]
        return lambda: divide(points), lambda: tuple(divide(points))
    if case.op == "neighbors":
        first = np.unique(cloud.voxel, return_index=True)[1]
        position = torch.from_numpy(cloud.points[first]).to(on)
        search = {"pcseg": _knn, "scipy": _knn_scipy, "open3d": _knn_open3d}[impl]
        return lambda: search(position), lambda: (search(position),)
    return _reduction(case, impl, voxel)


def _reduction(case: Case, impl: str, voxel: Tensor) -> tuple[Callable[[], object], Callable[[], tuple[Tensor, ...]]]:
    """Return segment or devoxelize of one implementation; with backward, the gradient of the values too."""
    voxels, points, backward = len(case.cloud), len(voxel), case.mode == "forward_backward"
    shapes = {"segment": (points, voxels), "devoxelize": (voxels, points)}
    rows, out_rows = shapes[case.op]
    generator = torch.Generator().manual_seed(0)
    values, grad = (
        torch.randn(n, case.channels or 0, generator=generator).to(voxel.device, case.dtype) for n in (rows, out_rows)
    )
    values.requires_grad_(backward)
    reduce: Callable[[Tensor], Tensor] = {
        ("segment", "pcseg"): lambda v: ops.segment_mean(v, voxel, voxels),
        ("segment", "torch"): lambda v: _mean_torch(v, voxel, voxels),
        ("segment", "numpy"): lambda v: _mean_numpy(v, voxel, voxels),
        ("devoxelize", "pcseg"): lambda v: ops.devoxelize_nearest(v, voxel),
        ("devoxelize", "torch"): lambda v: v.index_select(0, voxel),
        ("devoxelize", "numpy"): lambda v: torch.from_numpy(v.numpy()[voxel.numpy()]),
    }[case.op, impl]

    def work() -> tuple[Tensor, ...]:
        out = reduce(values)
        return (out, *torch.autograd.grad(out, [values], grad)) if backward else (out,)

    return work, work


def _keys(coords: np.ndarray) -> np.ndarray:
    """Return keys (N,) int64 of voxels (N, 4) that sort as the voxels do lexicographically."""
    keys = coords[:, 0].astype(np.int64)
    for axis in (1, 2, 3):
        keys = keys << 20 | coords[:, axis]
    return keys


def _voxelize_numpy(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    found = np.unique(_keys(points.numpy()), return_index=True, return_inverse=True, return_counts=True)
    rows, inverse, counts = map(torch.from_numpy, found[1:])
    return rows, inverse, counts


def _voxelize_torch(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    keys = points[:, 0].long()
    for axis in (1, 2, 3):
        keys = keys << 20 | points[:, axis]
    found, inverse, counts = torch.unique(keys, return_inverse=True, return_counts=True)
    number = torch.arange(len(keys), device=keys.device)
    return torch.empty_like(found).scatter_reduce_(0, inverse, number, "amin", include_self=False), inverse, counts


def _slots_open3d(points: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the hash table slot of each point's voxel (P,) and the number of points in each slot."""
    from open3d import core

    keys = core.Tensor.from_numpy(points.numpy())
    table = core.HashSet(len(keys), core.int32, (4,), core.Device("CPU:0"))
    table.insert(keys)
    slots = table.find(keys)[0].numpy()
    return slots, np.bincount(slots)


def _in_order(points: Tensor, slots: np.ndarray) -> tuple[Tensor, ...]:
    """Return the result of `voxelize` from any numbering ``slots`` (P,) of the voxels."""
    _, rows, inverse, counts = np.unique(slots, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(_keys(points.numpy()[rows]))
    return tuple(map(torch.from_numpy, (rows[order], np.argsort(order)[inverse], counts[order])))


def _kernel_map_numpy(inputs: Tensor, outputs: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    keys, wanted = _keys(inputs.numpy()), outputs.numpy()
    order = np.argsort(keys)
    keys, groups = keys[order], []
    for x, y, z in offsets.tolist():
        target = _keys(wanted + np.array([0, x, y, z], dtype=np.int32))
        place = np.minimum(np.searchsorted(keys, target), len(keys) - 1)
        out = np.flatnonzero(keys[place] == target)
        groups.append(np.stack([order[place[out]], out]).astype(np.int32))
    starts = np.cumsum([0] + [group.shape[1] for group in groups])
    return torch.from_numpy(np.concatenate(groups, axis=1)), torch.from_numpy(starts)


def _mean_numpy(values: Tensor, voxel: Tensor, voxels: int) -> Tensor:
    total = np.zeros((voxels, values.shape[1]), dtype=np.float32)
    np.add.at(total, voxel.numpy(), values.numpy())
    return torch.from_numpy(total / np.bincount(voxel.numpy(), minlength=voxels)[:, None].astype(np.float32))


def _mean_torch(values: Tensor, voxel: Tensor, voxels: int) -> Tensor:
    total = values.new_zeros(voxels, values.shape[1]).index_add(0, voxel, values)
    return total / torch.bincount(voxel, minlength=voxels).unsqueeze(1).to(values.dtype)


def _knn(position: Tensor) -> Tensor:
    return ops.knn(position, position, K)[1]


def _knn_scipy(position: Tensor) -> Tensor:
    points = position.numpy()
    distance, _ = cKDTree(points).query(points, k=K, workers=torch.get_num_threads())
    return torch.from_numpy(distance)


def _knn_open3d(position: Tensor) -> Tensor:
    import open3d

    points = open3d.core.Tensor.from_numpy(position.numpy())
    search = open3d.core.nns.NearestNeighborSearch(points)
    search.knn_index()
    return torch.from_numpy(search.knn_search(points, K)[1].numpy()).sqrt()
