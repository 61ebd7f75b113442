"""Neighboring elements of a batch, and the elements at a boundary between classes."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.feeding.batch import Batch
from pcseg.sparse import SparseTensor

_HALF = 13
"""The offsets of a 3x3x3 kernel before its center; those after it are their opposites."""


def neighbors(batch: Batch) -> Tensor:
    """Return the pairs (2, M) int64 of neighboring elements of the same sample, each pair once, in a fixed order.

    Of a picture these are the 8 pixels around each pixel, of a cloud the occupied ones of the 26 voxels around each
    voxel. The kernel map that says so for voxels is that of the 3x3x3 convolutions of ``batch.inputs``, found once.
    """
    voxels = batch.inputs
    if isinstance(voxels, SparseTensor):
        found = voxels.maps.kernel_map(voxels.stride, voxels.stride, 3)
        return found.pairs[:, : int(found.starts[_HALF])].long()
    height, width = voxels.shape[2:]
    number = torch.arange(len(batch.sample), device=voxels.device).view(-1, height, width)
    right = number[:, :, :-1], number[:, :, 1:]
    below = number[:, :-1], number[:, 1:]
    falling = number[:, :-1, :-1], number[:, 1:, 1:]
    rising = number[:, 1:, :-1], number[:, :-1, 1:]
    return torch.cat([torch.stack(pair).flatten(1) for pair in (right, below, falling, rising)], dim=1)


def at_boundary(labels: Tensor, pairs: Tensor) -> Tensor:
    """Return (E,) bool: the elements with a neighbor of another class.

    ``labels`` (E,) int64; ``pairs`` (2, M) int64 of neighbors, each pair once or twice. An element labeled IGNORE is at
    no boundary and makes none. On pixels it is the Sobel filter of CW-BASS (arXiv 2502.15152) on the classes, without
    the frame of the picture.
    """
    one, other = labels[pairs]
    apart = (one != other) & (one != IGNORE) & (other != IGNORE)
    return torch.zeros_like(labels, dtype=torch.bool).index_fill(0, pairs[:, apart].flatten(), True)
