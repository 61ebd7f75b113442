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


def cell_of(coords: Tensor, coarse: Tensor, stride: int) -> Tensor:
    """Return the row (E,) int64 of ``coarse`` (N, 4) that holds each voxel ``coords`` (E, 4); N for none.

    Both int32, rows (sample, x, y, z) in units of the finest voxel; rows of ``coarse`` are distinct multiples of
    ``stride``.
    """
    around, count = coords.clone(), len(coarse)
    around[:, 1:] -= around[:, 1:] % stride  # the remainder is that of rounding down, also below zero
    found = ops.voxelize(torch.cat([coarse, around]))
    row = torch.full_like(found.rows, count)
    row[found.inverse[:count]] = torch.arange(count, device=row.device)
    return row[found.inverse[count:]]


def extents(place: Tensor, sample: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest ``place`` (E, d) in each of ``count`` samples, (count, d) both.

    ``sample`` (E,) int64. They are inf and -inf for a sample without elements.
    """
    own = sample[:, None].expand(-1, place.shape[1])
    low = place.new_full((count, place.shape[1]), torch.inf).scatter_reduce(0, own, place, "amin")
    return low, place.new_full((count, place.shape[1]), -torch.inf).scatter_reduce(0, own, place, "amax")
