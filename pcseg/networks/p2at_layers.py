"""The parts of P2AT (Elhassan et al., arXiv 2310.15025): maps (B, C, H, W) in, maps out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.elements import flatten_pixels, pixel_grid
from pcseg.nn.axial import AxialAttention
from pcseg.nn.maps import BatchNorm2d, Conv2d, ConvNormReLU2d
from pcseg.nn.norm import BatchNorm


class PyramidAxialBlock(nn.Module):
    """Pyramid pooling axial attention and a mapping of each pixel with its neighbors, both residual; C channels stay.

    Attention acts on features gated by a pyramid of local means, of 3, 5 and 7 pixels, each of the one before, and its
    output is multiplied by local features. Each channel has its three means side by side for the grouped 3x3
    convolution that joins them. Unlike the paper's release: it reads the mean of 5 (there that of 3, twice), means
    leave out what is outside of the image, and ReLUs replace PReLUs.
    """

    def __init__(self, channels: int, heads: int = 8, key_channels: int = 16) -> None:
        super().__init__()
        self.gate = ConvNormReLU2d(channels, channels)
        self.pools = nn.ModuleList(nn.AvgPool2d(k, 1, k // 2, count_include_pad=False) for k in (3, 5, 7))
        self.pyramid = ConvNormReLU2d(3 * channels, channels, 3, groups=channels)
        self.attention = AxialAttention(channels, heads, key_channels, axes=2)
        self.norm = BatchNorm2d(channels)
        self.reduce = _conv_norm(channels, channels)
        self.local = _conv_norm(channels, channels, 3)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, 1, bias=False),
            Conv2d(4 * channels, 4 * channels, 3, padding=1, groups=4 * channels),
            nn.ReLU(),
            nn.Conv2d(4 * channels, channels, 1, bias=False),
        )

    def forward(self, maps: Tensor) -> Tensor:
        gate = self.gate(maps)
        means = [gate]
        for pool in self.pools:
            means.append(pool(means[-1]))
        pooled = self.pyramid(torch.stack(means[1:], dim=2).flatten(1, 2)) * gate
        reduced = self.reduce(maps)
        maps = maps + torch.relu(self.norm(self._attend(pooled))) * (reduced + self.local(reduced))
        return maps + self.mlp(maps)

    def _attend(self, maps: Tensor) -> Tensor:
        count, _, height, width = maps.shape
        index = pixel_grid(height, width, maps.device).long().repeat(count, 1)
        sample = torch.arange(count, device=maps.device).repeat_interleave(height * width)
        rows = self.attention(flatten_pixels(maps), index, sample)
        return rows.unflatten(0, (count, height, width)).permute(0, 3, 1, 2)


class BidirectionalFusion(nn.Module):
    """Joins a fine, a middle and a deep map at the resolution of the fine one: BiF.

    With d, of the fine map, a mean of the image and a gate of each pixel; u, of the deep one, gated by a softmax over
    channels; and s, of the middle one: fuse([d, u, s]) + s u + sigmoid(s d).
    """

    def __init__(self, fine: int, middle: int, deep: int, width: int) -> None:
        super().__init__()
        self.fine = ConvNormReLU2d(fine, width)
        self.mean = nn.Conv2d(width, width, 1, bias=False)
        self.gate = nn.Conv2d(width, width, 1, bias=False)
        self.refine = nn.Conv2d(width, width, 1, bias=False)
        self.middle = _conv_norm(middle, width)
        self.deep = ConvNormReLU2d(deep, width)
        self.share = nn.Conv2d(deep, width, 1)
        self.fuse = _conv_norm(3 * width, width)

    def forward(self, fine: Tensor, middle: Tensor, deep: Tensor) -> Tensor:
        d = self.fine(fine)
        d = self.refine(self.mean(d.mean(dim=(2, 3), keepdim=True)) + torch.sigmoid(self.gate(d)))
        u = resized(self.deep(deep) * self.share(deep).softmax(dim=1), d)
        s = resized(self.middle(middle), d)
        return self.fuse(torch.cat([d, u, s], dim=1)) + s * u + torch.sigmoid(s * d)


class GlobalContext(nn.Module):
    """Adds to each pixel a mapping of the mean of the image: GCE.

    Of the 3x3 and 7x7 convolutions that the paper applies to the mean, a map of one pixel, only the centers act: they
    are linear maps here, and the scale between them is part of the first.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linears = nn.Sequential(nn.Linear(channels, channels), nn.Linear(channels, channels, bias=False))
        self.norm = BatchNorm(channels)

    def forward(self, maps: Tensor) -> Tensor:
        context = torch.relu(self.norm(self.linears(maps.mean(dim=(2, 3)))))
        return maps + context[:, :, None, None]


class DepthwiseBlock(nn.Module):
    """A convolution of each channel on its own, then two linear maps of each pixel, residual: a block of the decoder.

    The residual begins at 1e-6 of its size.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = BatchNorm2d(channels)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, 1), nn.Hardswish(), nn.Conv2d(4 * channels, channels, 1)
        )
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 1e-6))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.scale * self.mlp(self.norm(self.depthwise(maps)))


class NormConv(nn.Module):
    """Norm, ReLU, 3x3 convolution, norm, ReLU: all of P2AT's segmentation head but its classifier."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(self.norm2(self.conv(torch.relu(self.norm1(maps)))))


def resized(maps: Tensor, like: Tensor) -> Tensor:
    """Return ``maps`` resized bilinearly to the height and width of ``like``, corners not aligned."""
    return F.interpolate(maps, like.shape[2:], mode="bilinear", align_corners=False)


def _conv_norm(cin: int, cout: int, kernel: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=False), BatchNorm2d(cout))
