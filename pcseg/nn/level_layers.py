"""Convolutions from a level of a network to its like: voxels or maps, whichever the network has."""

from __future__ import annotations

from torch import nn

from pcseg.nn.blocks import ConvNormReLU
from pcseg.nn.conv import SparseConv3d
from pcseg.nn.maps import ConvNormReLU2d
from pcseg.sparse.sizes import check_sizes


def level_conv(pixels: bool, cin: int, cout: int, kernel: int = 3, dilation: int = 1) -> nn.Module:
    """Return a convolution with bias that keeps the rows of a level: of maps (B, ``cin``, H, W) or else of voxels.

    ``kernel`` is odd. Raises InputError for sizes below 1.
    """
    check_sizes("level_conv", cin=cin, cout=cout, kernel=kernel, dilation=dilation)
    if pixels:
        return nn.Conv2d(cin, cout, kernel, 1, dilation * (kernel // 2), dilation)
    return SparseConv3d(cin, cout, kernel, dilation=dilation, bias=True)


def level_block(pixels: bool, cin: int, cout: int, kernel: int = 3, dilation: int = 1) -> nn.Module:
    """Return such a convolution without bias, a batch norm and a ReLU. Raises InputError for sizes below 1."""
    check_sizes("level_block", cin=cin, cout=cout, kernel=kernel, dilation=dilation)
    if pixels:
        return ConvNormReLU2d(cin, cout, kernel, dilation)
    return ConvNormReLU(SparseConv3d(cin, cout, kernel, dilation=dilation), cout, "batch")
