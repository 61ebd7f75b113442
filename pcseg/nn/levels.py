"""One view of the inputs and levels of networks, voxels or maps: a row of channels for each element."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg import ops
from pcseg.elements import flatten_pixels
from pcseg.sparse import SparseTensor

Level = SparseTensor | Tensor
"""Voxels, or maps (B, C, H, W)."""


def rows_of(level: Level) -> Tensor:
    """Return the channels (E, C) of each voxel, or of each pixel of maps (B, C, H, W), image by image."""
    return level.feats if isinstance(level, SparseTensor) else flatten_pixels(level)


def sample_of(level: Level) -> Tensor:
    """Return the sample (E,) int64 of each row."""
    if isinstance(level, SparseTensor):
        return level.sample
    count, _, height, width = level.shape
    return torch.arange(count, device=level.device).repeat_interleave(height * width)


def with_rows(level: Level, rows: Tensor) -> Level:
    """Return the same voxels or pixels with other channels, ``rows`` (E, C')."""
    if isinstance(level, SparseTensor):
        return level.replace(rows)
    count, _, height, width = level.shape
    return rows.view(count, height, width, -1).permute(0, 3, 1, 2)


def pooled(level: Level, n_samples: int) -> Tensor:
    """Return the mean (B, C) of the rows of each sample, 0 for one without any."""
    return ops.segment_mean(rows_of(level), sample_of(level), n_samples)
