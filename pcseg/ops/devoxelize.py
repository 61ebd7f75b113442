"""From voxels back to points: the value of the voxel of a point, or interpolation between voxel centers."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops.gather import gather
from pcseg.ops.kernel_map import kernel_map
from pcseg.ops.segment import segment_sum, weighted_sum


def devoxelize_nearest(values: Tensor, inverse: Tensor) -> Tensor:
    """Return values[inverse], (P, C): ``values`` (N, C) of the voxels, ``inverse`` (P,) int64 the voxel of each point.

    The gradient of a voxel is the sum over its points, on the CPU with the same bits for any number of threads.
    """
    if inverse.dim() != 1 or inverse.dtype != torch.int64:
        raise InputError(f"inverse: {tuple(inverse.shape)} {inverse.dtype} given; give (P,) torch.int64")
    return gather(values, inverse)


def devoxelize_trilinear(values: Tensor, coords: Tensor, position: Tensor) -> Tensor:
    """Return the trilinear interpolation between the centers of occupied voxels, (P, C), differentiable in ``values``.

    ``values`` (N, C); ``coords`` (N, 4) int32 [sample, x, y, z], each voxel once; ``position`` (P, 4) float, the sample
    and the position in voxels: voxel c reaches from c to c + 1, its center is c + 0.5. The weights of the occupied
    voxels among the eight around a point are scaled to a sum of 1; without any, the result is 0. Raises InputError for
    other shapes and for NaN or infinite positions.
    """
    if position.dim() != 2 or position.shape[1] != 4 or not position.is_floating_point():
        raise InputError(f"position: {tuple(position.shape)} {position.dtype} given; give (P, 4) of a floating type")
    if not position.isfinite().all():
        raise InputError("position: some values are NaN or infinite; remove those points")
    if values.shape[:1] != coords.shape[:1]:
        raise InputError(f"values: {tuple(values.shape)} for coords {tuple(coords.shape)}; give a row for each voxel")
    wide = torch.float64 if values.dtype == torch.float64 else torch.float32
    with torch.no_grad():
        row, point, weight = _corners(coords, position)
        total = segment_sum(weight, point, len(position))
        weight = (weight / total[point].clamp(min=1e-300)).to(wide)  # 0 where only far sides of the cell are occupied
    return weighted_sum(values, row, weight, point, len(position))


def _corners(coords: Tensor, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return voxel, point and trilinear weight (float64) of each point and occupied voxel of the eight around it."""
    centered = position[:, 1:].double() - 0.5
    base = centered.floor()
    corner = torch.tensor([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)], dtype=torch.int32)
    around = torch.cat([position[:, :1], base], dim=1).round().int()
    pairs, starts = kernel_map(coords, around, corner)
    row, point = pairs.long()
    corner, count = corner.to(coords.device), starts.diff().to(coords.device)
    which = torch.repeat_interleave(corner, count, dim=0, output_size=len(row))
    upper = (centered - base)[point]
    return row, point, torch.where(which == 1, upper, 1 - upper).prod(dim=1)
