"""Layers that show the voxels of a coarse level more of the scene: parallel dilated convolutions, axial attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pcseg import ops
from pcseg.errors import InputError
from pcseg.nn.axial import AxialAttention
from pcseg.nn.blocks import ConvNormReLU
from pcseg.nn.conv import SparseConv3d
from pcseg.nn.fused import norm_relu
from pcseg.nn.norm import make_norm
from pcseg.nn.pool import SparseAvgPool3d
from pcseg.sparse import SparseTensor


class SparseASPP(nn.Module):
    """Adds to features (N, C) those of 3x3x3 convolutions of several dilations, side by side; same voxels and channels.

    The atrous spatial pyramid pooling of DeepLab (Chen et al., arXiv 1606.00915, section 3.2) on voxels: rate r reaches
    exactly r voxels of the level. The branches share out the C channels, so that together they cost one convolution of
    C channels; a linear map, a norm and a residual ReLU fuse them. Raises InputError for no rates or sizes below 1.
    """

    def __init__(self, channels: int, rates: Sequence[int], norm: str = "batch") -> None:
        super().__init__()
        if not rates:
            raise InputError("rates: none given; give the dilations of the branches, in voxels of the level")
        width = max(channels // len(rates), 1)
        self.branches = nn.ModuleList(
            ConvNormReLU(SparseConv3d(channels, width, 3, dilation=rate), width, norm) for rate in rates
        )
        self.fuse = nn.Linear(width * len(rates), channels, bias=False)
        self.norm = make_norm(norm, channels)

    def forward(self, x: SparseTensor) -> SparseTensor:
        wide = torch.cat([branch(x).feats for branch in self.branches], dim=1)
        return x.replace(norm_relu(self.norm, self.fuse(wide), x.feats))


class SparseAxialBlock(nn.Module):
    """Axial attention over the x, y and z slices of each sample, then a linear map of each voxel, both residual.

    The block of P2AT (Elhassan et al., arXiv 2310.15025) on voxels: attention acts on features gated by a pyramid of
    local means, and its output is multiplied by local features. Here the three means are of 3x3x3 neighborhoods, each
    of the one before, and there is no depthwise convolution. Positions count from the first voxel of a sample.
    Features (N, C) keep their shape. Raises InputError for sizes below 1.
    """

    def __init__(self, channels: int, heads: int = 4, key_channels: int = 8, norm: str = "batch") -> None:
        super().__init__()
        self.gate = _linear(channels, channels, norm)
        self.pool = SparseAvgPool3d(3)
        self.pyramid = _linear(3 * channels, channels, norm)
        self.attention = AxialAttention(channels, heads, key_channels, axes=3)
        self.norm = make_norm(norm, channels)
        self.local = ConvNormReLU(SparseConv3d(channels, channels, 3), channels, norm)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.ReLU(), nn.Linear(2 * channels, channels))

    def forward(self, x: SparseTensor) -> SparseTensor:
        gate = self.gate(x.feats)
        means, level = [], x.replace(gate)
        for _ in range(3):
            level = self.pool(level)
            means.append(level.feats)
        pooled = self.pyramid(torch.cat(means, dim=1)) * gate
        found = norm_relu(self.norm, self.attention(pooled, slices(x), x.sample))
        feats = x.feats + found * self.local(x).feats
        return x.replace(feats + self.mlp(feats))


def _linear(cin: int, cout: int, norm: str) -> nn.Sequential:
    return nn.Sequential(nn.Linear(cin, cout, bias=False), make_norm(norm, cout), nn.ReLU())


def slices(x: SparseTensor) -> Tensor:
    """Return the positions (N, 3) int64 of voxels in units of their stride, from 0 at the first one of each sample."""
    position = x.coords[:, 1:] // x.stride
    first = -ops.segment_max(-position.float(), x.sample, x.n_samples)
    return position.long() - first.long()[x.sample]
