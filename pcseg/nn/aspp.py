"""Atrous spatial pyramid pooling: parallel convolutions of several rates that see a map at several scales."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.nn.maps import ConvNormReLU2d, separable


class AtrousPyramid(nn.Module):
    """A 3x3 and a 1x1 convolution for each of R ``rates``, side by side: (B, cin, H, W) to (B, R * width, H, W).

    The ASPP-L of DeepLab v2 for rates 6, 12, 18 and 24, its LargeFOV for 12 alone (Chen et al., arXiv 1606.00915,
    section 3.2 and Fig. 7). There each branch has a classifier and the scores are added; one classifier of all
    branches side by side is the same map. Batch norms take the place of the dropout.
    """

    def __init__(self, cin: int, width: int, rates: Sequence[int] = (6, 12, 18, 24)) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(ConvNormReLU2d(cin, width, 3, rate), ConvNormReLU2d(width, width)) for rate in rates
        )

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([branch(maps) for branch in self.branches], dim=1)


class PooledPyramid(nn.Module):
    """1x1, an atrous separable 3x3 for each of ``rates`` and the mean of the image, fused: to (B, width, H, W).

    The ASPP of DeepLabv3 (Chen et al., arXiv 1706.05587, section 3.3) with the separable convolutions of v3+.
    """

    def __init__(self, cin: int, width: int, rates: Sequence[int]) -> None:
        super().__init__()
        atrous = (separable(cin, width, 3, rate) for rate in rates)
        self.branches = nn.ModuleList([ConvNormReLU2d(cin, width), *atrous])
        self.pool = ConvNormReLU2d(cin, width)
        self.fuse = ConvNormReLU2d((len(self.branches) + 1) * width, width)

    def forward(self, maps: Tensor) -> Tensor:
        pooled = self.pool(F.adaptive_avg_pool2d(maps, 1)).expand(-1, -1, *maps.shape[2:])
        pooled = pooled.contiguous(memory_format=torch.channels_last)  # else all that follows is channels first
        return self.fuse(torch.cat([*(branch(maps) for branch in self.branches), pooled], dim=1))
