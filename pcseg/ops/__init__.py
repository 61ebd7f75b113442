"""Ops on point clouds: each one name in torch.library, whichever kernel runs it (reference, CPU, CUDA)."""

from pcseg.ops.kernel_map import kernel_map
from pcseg.ops.sparse_conv import sparse_conv
from pcseg.ops.voxelize import COORDINATE_LIMIT, Voxels, quantize, voxelize

__all__ = ["COORDINATE_LIMIT", "Voxels", "kernel_map", "quantize", "sparse_conv", "voxelize"]
