"""Coordinates of any dimension through ops that take three: fewer axes are padded, further ones join the sample."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pcseg import ops
from pcseg.errors import InputError

# Coordinates are (N, 1 + D) int32, rows (sample, first axis, ...). For D below 3, zeros are appended. Beyond, the axes
# from the fourth on are folded into the sample: sample * extent + position. An offset along these axes is then a shift
# of the sample.


def check(coords: Tensor, dimension: int) -> None:
    """Raise InputError unless ``coords`` are (N, 1 + D) int32."""
    if coords.dim() != 2 or coords.shape[1] != dimension + 1 or coords.dtype != torch.int32:
        found = f"{tuple(coords.shape)} {coords.dtype}"
        raise InputError(f"coordinates: {found}; give (N, {dimension + 1}) int32, rows (sample, first axis, ...)")


def unique(coords: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first row of each distinct coordinate, (M,) int64 ascending, and the number of each row's, (N,)."""
    found = ops.voxelize(_folded([coords])[0][0])
    if len(found.rows) == len(coords):
        rows = torch.arange(len(coords), device=coords.device)
        return rows, rows
    rows, order = found.rows.sort()
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    return rows, rank[found.inverse]


def downsample(coords: Tensor, stride: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return coordinates (M, 1 + D) rounded down to multiples of ``stride``, sorted, and the cell of each row, (N,)."""
    step = torch.tensor([1, *stride], dtype=coords.dtype, device=coords.device)
    coarse = torch.div(coords, step, rounding_mode="floor") * step
    found = ops.voxelize(_folded([coarse])[0][0])
    return coarse[found.rows], found.inverse


def kernel_map(in_coords: Tensor, out_coords: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``pairs`` and ``starts`` of :func:`pcseg.ops.kernel_map` for ``offsets`` (K, D) int32 on the CPU."""
    same = in_coords is out_coords
    dimension = in_coords.shape[1] - 1
    if dimension <= 3:
        (inputs,), _ = _folded([in_coords])
        outputs = inputs if same else _folded([out_coords])[0][0]
        return ops.kernel_map(inputs, outputs, _padded(offsets, 3))
    (inputs, outputs), weights = _folded([in_coords, out_coords], offsets[:, 3:])
    shifts = (offsets[:, 3:].long() @ weights).tolist()
    groups: list[Tensor] = [inputs.new_empty(2, 0)] * len(offsets)
    for shift in dict.fromkeys(shifts):
        members = [k for k, value in enumerate(shifts) if value == shift]
        moved = outputs.clone()
        moved[:, 0] += shift
        pairs, starts = ops.kernel_map(inputs, moved, offsets[members, :3].contiguous())
        for k, group in zip(members, pairs.split(starts.diff().tolist(), dim=1), strict=True):
            groups[k] = group
    starts = torch.tensor([0, *(group.shape[1] for group in groups)]).cumsum(0)
    return torch.cat([inputs.new_empty(2, 0), *groups], dim=1), starts


def find(coords: Tensor, wanted: Tensor) -> Tensor:
    """Return the row in ``coords`` (N, 1 + D), each there once, of each of ``wanted`` (M, 1 + D), (M,); -1: absent."""
    pairs, _ = kernel_map(coords, wanted, torch.zeros(1, coords.shape[1] - 1, dtype=torch.int32))
    rows = torch.full((len(wanted),), -1, dtype=torch.int64, device=coords.device)
    rows[pairs[1].long()] = pairs[0].long()
    return rows


def reached(coords: Tensor, offsets: Tensor) -> Tensor:
    """Return the distinct coordinates (M, 1 + D) that lie at ``offsets`` (K, D) from ``coords``, sorted."""
    moved = coords.unsqueeze(1) + torch.nn.functional.pad(offsets, (1, 0)).to(coords).unsqueeze(0)
    moved = moved.reshape(-1, coords.shape[1])
    return moved[ops.voxelize(_folded([moved])[0][0]).rows]


def _padded(columns: Tensor, width: int) -> Tensor:
    missing = width - columns.shape[1]
    return torch.nn.functional.pad(columns, (0, missing)) if missing else columns


def _folded(sets: Sequence[Tensor], reach: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
    """Return each of ``sets`` as (N, 4) int32, and the shift of the sample per unit of each axis from the fourth on.

    ``reach`` (K, D - 3): offsets that will be looked up. Raises InputError where the folded sample needs over 31 bits.
    """
    extra = sets[0].shape[1] - 4
    if extra <= 0:
        return [_padded(coords, 4) for coords in sets], torch.zeros(0, dtype=torch.int64)
    columns = [0, *range(4, 4 + extra)]
    filled = [coords[:, columns] for coords in sets if len(coords)] or [sets[0].new_zeros(1, 1 + extra)]
    low = torch.stack([coords.amin(0) for coords in filled]).amin(0).cpu().long()
    high = torch.stack([coords.amax(0) for coords in filled]).amax(0).cpu().long()
    if reach is not None and len(reach):
        low[1:] += reach.amin(0).clamp(max=0)
        high[1:] += reach.amax(0).clamp(min=0)
    size = (high - low + 1).tolist()
    weights = [1]
    for extent in reversed(size[1:]):
        weights.insert(0, weights[0] * extent)
    if weights[0] * size[0] >= 2**31:
        raise InputError(
            f"coordinates: {size[0]} samples and {' x '.join(map(str, size[1:]))} steps of the axes from the fourth on "
            "need more than 31 bits; put fewer into a batch or begin these axes at 0"
        )
    folded = []
    for coords in sets:
        sample = torch.zeros(len(coords), dtype=torch.int64, device=coords.device)
        for column, weight, lowest in zip(columns, weights, low.tolist(), strict=True):
            sample += (coords[:, column].long() - lowest) * weight
        folded.append(torch.cat([sample.int().unsqueeze(1), coords[:, 1:4]], dim=1))
    return folded, torch.tensor(weights[1:])
