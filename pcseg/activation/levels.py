"""Means of features in the cells of a coarse level of a network, and scores of these cells at all elements."""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg import ops
from pcseg.elements import flatten_pixels
from pcseg.nn.levels import cell_of, with_rows
from pcseg.sparse import SparseTensor

L = TypeVar("L", SparseTensor, Tensor)


def cell_means(fine: L, coarse: L) -> Tensor:
    """Return the mean features (N, C) of a level ``fine`` in each of the N cells of a level ``coarse``.

    Levels are voxels, or maps (B, C, H, W) whose pixels are rows image by image.
    """
    if isinstance(coarse, SparseTensor):
        assert isinstance(fine, SparseTensor)
        cell = cell_of(fine.coords, coarse.coords, coarse.stride)
        return ops.segment_mean(fine.feats, cell, len(coarse.coords))
    assert isinstance(fine, Tensor)
    height, width = coarse.shape[2:]
    return flatten_pixels(F.adaptive_avg_pool2d(fine, (height, width)))


def interpolated(values: Tensor, coarse: L, fine: L) -> Tensor:
    """Return ``values`` (N, C) of the cells of ``coarse`` at each voxel or pixel (E, C) of ``fine``.

    Between centers: bilinear, corners not aligned, or trilinear among occupied voxels. Differentiable in ``values``.
    """
    if isinstance(coarse, SparseTensor):
        assert isinstance(fine, SparseTensor)
        sample, place = fine.coords[:, :1].float(), (fine.coords[:, 1:] + fine.stride / 2) / coarse.stride
        cells = torch.cat([coarse.coords[:, :1], coarse.coords[:, 1:] // coarse.stride], dim=1)
        return ops.devoxelize_trilinear(values, cells, torch.cat([sample, place], dim=1))
    assert isinstance(fine, Tensor)
    maps = with_rows(coarse, values)
    assert isinstance(maps, Tensor)
    return flatten_pixels(F.interpolate(maps, fine.shape[2:], mode="bilinear", align_corners=False))
