"""Neighboring elements of a batch."""

from __future__ import annotations

from torch import Tensor

from pcseg.elements import pixel_pairs
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
    return pixel_pairs(len(voxels), voxels.shape[2], voxels.shape[3], voxels.device)
