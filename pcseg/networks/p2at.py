"""P2AT: fast segmentation of images with axial attention on the coarsest map (Elhassan et al., arXiv 2310.15025)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pcseg.checks import one_of
from pcseg.networks.image_network import ImageNetwork
from pcseg.networks.p2at_layers import (
    BidirectionalFusion,
    DepthwiseBlock,
    GlobalContext,
    NormConv,
    PyramidAxialBlock,
    resized,
)
from pcseg.networks.resnet import ResNet
from pcseg.nn.maps import ConvNormReLU2d, run_maps
from pcseg.sparse.sizes import check_sizes

DEPTHS = {"s": 18, "m": 34, "l": 50}
"""Depth of the ResNet of each variant."""

WIDTH = 64
"""Channels of all maps behind the encoder."""


class P2AT(ImageNetwork):
    """P2AT-S, -M or -L: ResNet-18, -34 or -50, axial attention at stride 32, and a decoder of 64 channels to stride 4.

    ``variant`` is "s", "m" or "l". In training, ``outputs["aux8"]`` and ``["aux4"]`` (E, n_classes) are auxiliary
    scores, of the maps of stride 8 and 4 before the last fusion, which want losses of their own. With
    ``activation_checkpointing`` training takes less memory and a second forward pass, to the same bits. See
    :class:`ImageNetwork` for the rest. Raises InputError for another variant or sizes that do not fit.
    """

    def __init__(
        self, in_channels: int, n_classes: int, variant: str = "s", activation_checkpointing: bool = False
    ) -> None:
        one_of("variant", variant, DEPTHS)
        check_sizes("P2AT", n_classes=n_classes)
        encoder = ResNet(DEPTHS[variant], in_channels)
        decoder = P2ATDecoder(encoder.channels)
        super().__init__(in_channels, encoder, decoder, _Classifier(n_classes), activation_checkpointing)


class P2ATDecoder(nn.Module):
    """From the maps of five stages of strides 2 to 32 to 64 channels at stride 4, and auxiliary scores.

    ``channels`` are those of the five maps.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        _, c4, c8, c16, c32 = channels
        self.context = nn.Sequential(
            ConvNormReLU2d(c32, WIDTH), PyramidAxialBlock(WIDTH), PyramidAxialBlock(WIDTH), DepthwiseBlock(WIDTH, 3)
        )
        self.fuse8 = BidirectionalFusion(c8, c16, WIDTH, WIDTH)
        self.refine8 = nn.Sequential(GlobalContext(WIDTH), DepthwiseBlock(WIDTH, 5))
        self.fuse4 = BidirectionalFusion(c4, c8, WIDTH, WIDTH)
        self.refine4 = nn.Sequential(GlobalContext(WIDTH), DepthwiseBlock(WIDTH, 7), ConvNormReLU2d(WIDTH, WIDTH, 3))
        self.join8 = nn.Sequential(ConvNormReLU2d(2 * WIDTH, WIDTH, 3), ConvNormReLU2d(WIDTH, WIDTH, 3))
        self.join32 = nn.Sequential(ConvNormReLU2d(2 * WIDTH, WIDTH, 3), ConvNormReLU2d(WIDTH, WIDTH, 3))
        self.last, self.aux8, self.aux4 = NormConv(WIDTH), NormConv(WIDTH), NormConv(WIDTH)

    def forward(self, maps: Sequence[Tensor], head: _Classifier, recompute: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Return features (B, 64, H / 4, W / 4) and, in training, auxiliary scores by name."""
        _, x4, x8, x16, x32 = maps
        deep = run_maps(self.context, x32, recompute)
        fused8 = self.fuse8(x8, x16, deep)
        middle = run_maps(self.refine8, fused8, recompute)
        fused4 = self.fuse4(x4, x8, middle)
        fine = run_maps(self.refine4, fused4, recompute)
        fine = run_maps(self.join8, torch.cat([resized(middle, fine), fine], dim=1), recompute)
        fine = run_maps(self.join32, torch.cat([resized(deep, fine), fine], dim=1), recompute)
        outputs = {}
        if self.training:
            outputs["aux8"] = head.aux8(run_maps(self.aux8, fused8, recompute))
            outputs["aux4"] = head.aux4(run_maps(self.aux4, fused4, recompute))
        return run_maps(self.last, fine, recompute), outputs


class _Classifier(nn.Conv2d):
    """A 1x1 convolution to scores, and two more to auxiliary ones."""

    def __init__(self, n_classes: int) -> None:
        super().__init__(WIDTH, n_classes, 1)
        self.aux8, self.aux4 = nn.Conv2d(WIDTH, n_classes, 1), nn.Conv2d(WIDTH, n_classes, 1)
