"""Layers of sparse networks; plain torch layers act on the features."""

from pcseg.nn.blocks import BasicBlock, Bottleneck, ConvNormReLU
from pcseg.nn.conv import SparseConv, SparseConv3d, SparseConvTranspose3d
from pcseg.nn.norm import BatchNorm, frozen_statistics, make_norm
from pcseg.nn.pool import SparseAvgPool3d, SparseMaxPool3d
from pcseg.nn.recompute import Blocks, recomputed

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
    "frozen_statistics",
    "make_norm",
    "recomputed",
]
