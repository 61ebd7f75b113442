"""Random voxels for the tests of sparse tensors, layers and networks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def random_coords(seed: int, count: int = 80, low: int = -6, high: int = 7, n_samples: int = 2) -> Tensor:
    """Return distinct coordinates (N, 4) int32 in random order, N <= count, positions in [low, high)."""
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.integers(0, n_samples, count), rng.integers(low, high, (count, 3))])
    distinct = np.unique(rows, axis=0)
    return torch.from_numpy(distinct[rng.permutation(len(distinct))]).int()


def surface_coords(seed: int, side: int = 24, n_samples: int = 1) -> Tensor:
    """Return the voxels (N, 4) int32 of a floor, two walls and boxes in each sample, not aligned, in random order."""
    rng = np.random.default_rng(seed)
    rows = []
    for sample in range(n_samples):
        filled = np.zeros((side, side, side // 2), dtype=bool)
        filled[:, :, 0] = filled[0] = filled[:, 1] = True
        for _ in range(3):
            x, y = rng.integers(3, side - 6, 2)
            filled[x : x + 5, y : y + 4, 0 : rng.integers(2, 6)] = True
        filled &= rng.random(filled.shape) < 0.8
        position = np.argwhere(filled) - np.array([side // 2, side // 3, 1])
        rows.append(np.column_stack([np.full(len(position), sample), position]))
    coords = np.concatenate(rows)
    return torch.from_numpy(coords[rng.permutation(len(coords))]).int()
