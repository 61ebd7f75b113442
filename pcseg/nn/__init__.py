"""Layers of sparse networks; plain torch layers act on the features."""

from pcseg.nn.blocks import BasicBlock, Bottleneck, ConvNormReLU
from pcseg.nn.compile import make_maps
from pcseg.nn.conv import SparseConv, SparseConv3d, SparseConvTranspose3d
from pcseg.nn.fused import conv_norm_relu, norm_relu
from pcseg.nn.norm import BatchNorm, frozen_statistics, make_norm
from pcseg.nn.pool import SparseAvgPool3d, SparseMaxPool3d
from pcseg.nn.recompute import Blocks, run

__all__ = [
    "BasicBlock",
    "BatchNorm",
    "Blocks",
    "Bottleneck",
    "ConvNormReLU",
    "SparseAvgPool3d",
    "SparseConv",
    "SparseConv3d",
    "SparseConvTranspose3d",
    "SparseMaxPool3d",
    "conv_norm_relu",
    "frozen_statistics",
    "make_maps",
    "make_norm",
    "norm_relu",
    "run",
]
