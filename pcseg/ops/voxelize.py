"""From points to voxels: quantize positions, and find the distinct voxels among the coordinates of points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops._keys import COORDINATE_LIMIT, Packing, check_coords
from pcseg.ops._sort import sort_keys


class Voxels(NamedTuple):
    """N distinct voxels of P points, sorted lexicographically by (sample, x, y, z)."""

    rows: Tensor
    """(N,) int64: the point that stands for each voxel."""
    inverse: Tensor
    """(P,) int64: the voxel of each point."""
    counts: Tensor
    """(N,) int64: how many points each voxel has."""


def quantize(position: Tensor, voxel_size: float, origin: Sequence[float] = (0.0, 0.0, 0.0)) -> Tensor:
    """Return voxel coordinates floor((position - origin) / voxel_size), (P, 3) int32.

    ``position`` (P, 3) float, ``origin`` and ``voxel_size`` in the same unit. float32 positions are divided in
    float64, so that a large origin costs no precision. Raises InputError where a position is NaN or infinite or its
    voxel is beyond +-COORDINATE_LIMIT.
    """
    if not 0 < voxel_size < math.inf:
        raise InputError(f"voxel_size={voxel_size}; give a length above 0")
    if position.dim() != 2 or position.shape[1] != 3:
        raise InputError(f"position: shape {tuple(position.shape)} given; give (P, 3)")
    shift = torch.as_tensor(origin, dtype=torch.float64, device=position.device)
    if shift.shape != (3,) or not shift.isfinite().all():
        raise InputError(f"origin={origin}; give x, y and z, finite")
    voxel = torch.floor((position.double() - shift) / voxel_size)
    wrong = ~(voxel.abs() <= COORDINATE_LIMIT).all(1)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        found = ", ".join(f"{value:g}" for value in position[row].tolist())
        raise InputError(
            f"position: row {row} ({found}) is not finite or more than {COORDINATE_LIMIT} voxels of {voxel_size} away "
            "from the origin; remove it, choose an origin nearby, or use larger voxels"
        )
    return voxel.int()


def voxelize(coords: Tensor, keep: Tensor | None = None) -> Voxels:
    """Return the distinct voxels of ``coords`` (P, 4) int32 [sample, x, y, z], in lexicographic order.

    ``rows[n]`` is the first point of voxel n where ``keep`` (P,) bool is True (such as the labeled points), or its
    first point if there is none or no ``keep``. Raises InputError where a coordinate is beyond +-COORDINATE_LIMIT.
    """
    return Voxels(*torch.ops.pcseg.voxelize(coords, keep))


def _check(coords: Tensor, keep: Tensor | None) -> None:
    check_coords("coords", coords)
    if keep is not None and (keep.dtype != torch.bool or keep.shape != coords.shape[:1]):
        raise InputError(f"keep: {tuple(keep.shape)} {keep.dtype} given; give ({len(coords)},) torch.bool")
    native.check_devices(coords=coords, keep=keep)


def _reference(coords: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    _check(coords, keep)
    keys = Packing("coords", coords).keys(coords)
    order = (
        torch.arange(len(keys), device=keys.device) if keep is None else (~keep).to(torch.uint8).argsort(stable=True)
    )
    order = order[keys[order].argsort(stable=True)]  # by voxel, kept points first, then in the order of points
    _, voxel, counts = torch.unique_consecutive(keys[order], return_inverse=True, return_counts=True)
    inverse = torch.empty_like(voxel)
    inverse[order] = voxel
    return order[counts.cumsum(0) - counts], inverse, counts


def _fake(coords: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    voxels = torch.library.get_ctx().new_dynamic_size()
    rows, inverse, counts = (coords.new_empty(n, dtype=torch.int64) for n in (voxels, coords.shape[0], voxels))
    return rows, inverse, counts


def _cpu(coords: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    _check(coords, keep)
    coords = coords.contiguous()
    rows, inverse, counts = (torch.empty(len(coords), dtype=torch.int64) for _ in range(3))
    found = torch.empty(1, dtype=torch.int64)
    native.call(
        "pcseg_voxelize", coords, None if keep is None else keep.contiguous(), len(coords), rows, inverse, counts,
        found, torch.get_num_threads(),
    )  # fmt: skip
    voxels = int(found)
    return rows[:voxels].clone(), inverse, counts[:voxels].clone()


def _cuda(coords: Tensor, keep: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    _check(coords, keep)
    packing, place, points = Packing("coords", coords), native.cuda_place(coords), len(coords)
    keys, inverse = (torch.empty(points, dtype=torch.int64, device=coords.device) for _ in range(2))
    native.call(
        "pcseg_cuda_voxelize_keys", coords.contiguous(), None if keep is None else keep.contiguous(), points,
        packing.numbers(), keys, *place,
    )  # fmt: skip
    ordered, order = sort_keys(keys, 2 * packing.cells)
    first = torch.empty_like(order)
    native.call("pcseg_cuda_voxelize_first", ordered, points, first, *place)
    number = first.cumsum(0)
    rows = torch.empty(int(number[-1]) if points else 0, dtype=torch.int64, device=coords.device)
    begins = torch.empty(len(rows) + 1, dtype=torch.int64, device=coords.device)
    native.call("pcseg_cuda_voxelize_fill", order, first, number, points, rows, begins, inverse, *place)
    return rows, inverse, begins.diff()


native.define(
    "voxelize(Tensor coords, Tensor? keep) -> (Tensor, Tensor, Tensor)",
    reference=_reference,
    fake=_fake,
    cpu=_cpu,
    cuda=_cuda,
)
