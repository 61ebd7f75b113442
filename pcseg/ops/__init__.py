"""Ops on point clouds, each under one name in torch.library for all its kernels (reference, CPU, CUDA, Triton)."""

from pcseg.ops.devoxelize import devoxelize_nearest, devoxelize_trilinear
from pcseg.ops.gather import gather
from pcseg.ops.graph import class_paths, surroundings, tree_cores
from pcseg.ops.kernel_map import kernel_map
from pcseg.ops.neighbors import knn, radius
from pcseg.ops.segment import segment_max, segment_mean, segment_softmax, segment_sum, weighted_sum
from pcseg.ops.sparse_conv import sparse_conv
from pcseg.ops.sparse_conv_norm_relu import sparse_conv_norm_relu
from pcseg.ops.voxelize import COORDINATE_LIMIT, Voxels, quantize, voxelize

__all__ = [
    "COORDINATE_LIMIT",
    "Voxels",
    "class_paths",
    "devoxelize_nearest",
    "devoxelize_trilinear",
    "gather",
    "kernel_map",
    "knn",
    "quantize",
    "radius",
    "segment_max",
    "segment_mean",
    "segment_softmax",
    "segment_sum",
    "sparse_conv",
    "sparse_conv_norm_relu",
    "surroundings",
    "tree_cores",
    "voxelize",
    "weighted_sum",
]
