"""A network that shows elements as their classes look, for label cycles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pcseg.nn.blocks import ConvNormReLU
from pcseg.nn.conv import SparseConv3d
from pcseg.nn.levels import rows_of
from pcseg.nn.maps import ConvNormReLU2d
from pcseg.sparse import SparseTensor
from pcseg.sparse.sizes import check_sizes


class Painter(nn.Module):
    """Appearance (E, cout) of elements, in [-1, 1], from the probabilities of their classes and of those around them.

    The generator from labels to pictures of Mondal et al. (arXiv 1908.11569), there a ResNet, made small, and for
    ``voxels`` too: 3x3 or 3x3x3 convolutions of ``width`` channels, one for each of ``dilations``, then a linear map
    and tanh. The geometry is that of the input, maps (B, cin, H, W) or voxels (N, cin). Raises InputError for sizes
    below 1.
    """

    def __init__(
        self, cin: int, cout: int, voxels: bool, width: int = 32, dilations: Sequence[int] = (1, 2, 4)
    ) -> None:
        super().__init__()
        check_sizes("Painter", cin=cin, cout=cout, width=width)

        def layer(channels: int, dilation: int) -> nn.Module:
            if voxels:
                return ConvNormReLU(SparseConv3d(channels, width, 3, dilation=dilation), width, "batch")
            return ConvNormReLU2d(channels, width, 3, dilation)

        self.layers = nn.Sequential(*(layer(width if i else cin, dilation) for i, dilation in enumerate(dilations)))
        self.last = nn.Linear(width, cout)

    def forward(self, x: SparseTensor | Tensor) -> Tensor:
        return torch.tanh(self.last(rows_of(self.layers(x))))
