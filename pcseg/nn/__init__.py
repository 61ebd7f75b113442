"""Layers of sparse networks; plain torch layers act on the features."""

from pcseg.nn.axial import AxialAttention
from pcseg.nn.blocks import BasicBlock, Bottleneck, ConvNormReLU
from pcseg.nn.compile import make_maps
from pcseg.nn.conv import SparseConv, SparseConv3d, SparseConvTranspose3d
from pcseg.nn.fused import conv_norm_relu, norm_relu
from pcseg.nn.norm import STATISTICS, BatchNorm, deciding, frozen_statistics, make_norm
from pcseg.nn.object_context import ObjectContext
from pcseg.nn.pool import SparseAvgPool3d, SparseMaxPool3d
from pcseg.nn.recompute import Blocks, run
from pcseg.nn.sparse_context import SparseASPP, SparseAxialBlock

__all__ = [
    "STATISTICS",
    "AxialAttention",
    "BasicBlock",
    "BatchNorm",
    "Blocks",
    "Bottleneck",
    "ConvNormReLU",
    "ObjectContext",
    "SparseASPP",
    "SparseAvgPool3d",
    "SparseAxialBlock",
    "SparseConv",
    "SparseConv3d",
    "SparseConvTranspose3d",
    "SparseMaxPool3d",
    "conv_norm_relu",
    "deciding",
    "frozen_statistics",
    "make_maps",
    "make_norm",
    "norm_relu",
    "run",
]
