"""Voxel coordinates packed into single integers, for the reference ops: equal voxels have equal keys, order is kept."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pcseg.errors import InputError

COORDINATE_LIMIT = 2**19
"""Voxel coordinates go from -COORDINATE_LIMIT to COORDINATE_LIMIT."""


def check_coords(name: str, coords: Tensor) -> None:
    """Raise InputError unless ``coords`` is (N, 4) int32, contiguous or not, within COORDINATE_LIMIT."""
    if coords.dim() != 2 or coords.shape[1] != 4 or coords.dtype != torch.int32:
        raise InputError(
            f"{name}: {tuple(coords.shape)} {coords.dtype} given; give (N, 4) torch.int32 [sample, x, y, z]"
        )


class Packing:
    """Mixed-radix packing of [sample, x, y, z] into one int64 that keeps the lexicographic order.

    Distinct voxels have distinct keys within a box. It covers ``coords`` and, where ``moved`` is given, ``moved`` plus
    all offsets between the rows of ``reach`` (2, 3), lowest and highest. Raises InputError where the box needs over 63
    bits.
    """

    def __init__(self, name: str, coords: Tensor, moved: Tensor | None = None, reach: Tensor | None = None) -> None:
        sets = {name: coords}
        if moved is not None and moved is not coords:
            sets["out_coords"] = moved
        corners = _corners({name: voxels for name, voxels in sets.items() if len(voxels)})
        if moved is not None and len(moved) and reach is not None:
            moved_corners = corners[-1].clone()
            moved_corners[0, 1:] += reach[0].clamp(max=0)
            moved_corners[1, 1:] += reach[1].clamp(min=0)
            corners.append(moved_corners)
        if not corners:
            corners = [torch.zeros(2, 4, dtype=torch.int64)]
        box = torch.stack(corners)
        self.low = box[:, 0].amin(0)
        size = [int(s) for s in box[:, 1].amax(0) - self.low + 1]
        self.cells = math.prod(size)
        if self.cells >= 2**63:
            raise InputError(
                f"coords: {size[0]} samples spanning {size[1]} x {size[2]} x {size[3]} voxels need more than 63 bits; "
                "put fewer samples into a batch or use larger voxels"
            )
        self.weights = [size[1] * size[2] * size[3], size[2] * size[3], size[3], 1]

    def keys(self, coords: Tensor) -> Tensor:
        """Return the keys (N,) int64 of ``coords`` (N, 4) int32."""
        keys = torch.zeros(len(coords), dtype=torch.int64, device=coords.device)
        for axis, weight in enumerate(self.weights):
            keys += (coords[:, axis].long() - int(self.low[axis])) * weight
        return keys

    def step(self, offset: list[int]) -> int:
        """Return the difference of keys of two voxels that are ``offset`` (x, y, z) apart."""
        return sum(o * w for o, w in zip(offset, self.weights[1:], strict=True))

    def voxel(self, key: int) -> list[int]:
        """Return the [sample, x, y, z] of a key."""
        found = []
        for low, weight in zip(self.low.tolist(), self.weights, strict=True):
            found.append(low + key // weight)
            key %= weight
        return found

    def numbers(self) -> Tensor:
        """Return the packing as (9,) int64 on the CPU, for compiled code (csrc/shared/packing.h)."""
        return torch.tensor([*self.low.tolist(), *self.weights, self.cells])


def _corners(sets: dict[str, Tensor]) -> list[Tensor]:
    """Return the lowest and the highest coordinates of each set, (2, 4) int64 on the CPU; waits for a GPU once.

    Raises InputError where one is beyond +-COORDINATE_LIMIT.
    """
    if not sets:
        return []
    found = torch.stack([corner for coords in sets.values() for corner in coords.aminmax(dim=0)]).cpu().long()
    for name, corners in zip(sets, found.split(2), strict=True):
        beyond = corners[:, 1:].abs() > COORDINATE_LIMIT
        if beyond.any():
            raise InputError(
                f"{name}: voxel coordinate {int(corners[:, 1:][beyond][0])} is beyond +-{COORDINATE_LIMIT}; "
                "move the cloud near the origin or use larger voxels"
            )
    return list(found.split(2))
