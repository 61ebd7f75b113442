"""Ops on point clouds, each under one name in torch.library for all its kernels (reference, CPU, CUDA, Triton)."""

from pcseg.ops.depthwise import depthwise_conv
from pcseg.ops.devoxelize import devoxelize_nearest, devoxelize_trilinear
from pcseg.ops.forest import Trees, ask_forest, grow_forest
from pcseg.ops.gather import gather
from pcseg.ops.graph import class_paths, cores, edges, left_out_paths
from pcseg.ops.kernel_map import kernel_map
from pcseg.ops.neighbors import knn, radius
from pcseg.ops.segment import segment_max, segment_mean, segment_softmax, segment_sum, weighted_sum
from pcseg.ops.sparse_conv import sparse_conv
from pcseg.ops.sparse_conv_norm_relu import sparse_conv_norm_relu
from pcseg.ops.surface import main_axes, normals, surroundings
from pcseg.ops.transposed_map import transposed_map
from pcseg.ops.voxelize import COORDINATE_LIMIT, Voxels, quantize, voxelize
from pcseg.ops.walk import random_walk

__all__ = [
    "COORDINATE_LIMIT",
    "Trees",
    "Voxels",
    "ask_forest",
    "class_paths",
    "cores",
    "depthwise_conv",
    "devoxelize_nearest",
    "devoxelize_trilinear",
    "edges",
    "gather",
    "grow_forest",
    "kernel_map",
    "knn",
    "left_out_paths",
    "main_axes",
    "normals",
    "quantize",
    "radius",
    "random_walk",
    "segment_max",
    "segment_mean",
    "segment_softmax",
    "segment_sum",
    "sparse_conv",
    "sparse_conv_norm_relu",
    "surroundings",
    "transposed_map",
    "voxelize",
    "weighted_sum",
]
