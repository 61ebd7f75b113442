"""Decoders of image networks: from the maps of an encoder to the features that the classifier reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.elements import flatten_pixels
from pcseg.errors import InputError
from pcseg.nn.aspp import AtrousPyramid, PooledPyramid
from pcseg.nn.maps import ConvNormReLU2d, run_maps, separable
from pcseg.nn.object_context import ObjectContext

LOW_CHANNELS = 48
"""Channels that the fine map of DeepLabv3+ is reduced to (arXiv 1802.02611, Table 1)."""


class Classifier(nn.Conv2d):
    """A 1x1 convolution to the scores of the classes, and ``aux``, another one of auxiliary features if there are any.

    All weights with a row for each class are in here: checkpoints find them by the name of the network's ``head``.
    """

    def __init__(self, channels: int, aux_channels: int, n_classes: int) -> None:
        super().__init__(channels, n_classes, 1)
        self.aux = nn.Conv2d(aux_channels, n_classes, 1) if aux_channels else None


class Decoder(nn.Module):
    """``channels`` of the features and ``aux_channels`` of auxiliary ones, 0 for none."""

    channels: int
    aux_channels = 0

    def forward(self, maps: Sequence[Tensor], head: Classifier, recompute: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Return features (B, C, h, w) and further outputs by name from the maps of all stages of an encoder."""
        raise NotImplementedError


class PyramidDecoder(Decoder):
    """The heads of DeepLab v2 (arXiv 1606.00915): atrous convolutions of the last map, rates in its pixels."""

    def __init__(self, channels: Sequence[int], width: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.channels = width * len(rates)
        self.pyramid = AtrousPyramid(channels[-1], width, rates)

    def forward(self, maps: Sequence[Tensor], head: Classifier, recompute: bool) -> tuple[Tensor, dict[str, Tensor]]:
        return run_maps(self.pyramid, maps[-1], recompute), {}


class SkipDecoder(Decoder):
    """The decoder of DeepLabv3+ (arXiv 1802.02611, Fig. 2): pooled pyramid, the map of stride 4 beside it, two 3x3."""

    def __init__(self, channels: Sequence[int], width: int, output_stride: int) -> None:
        super().__init__()
        self.channels = width
        low = min(LOW_CHANNELS, channels[1])
        self.pyramid = PooledPyramid(channels[-1], width, [rate * 16 // output_stride for rate in (6, 12, 18)])
        self.low = ConvNormReLU2d(channels[1], low)
        self.merge = nn.Sequential(separable(width + low, width), separable(width, width))

    def forward(self, maps: Sequence[Tensor], head: Classifier, recompute: bool) -> tuple[Tensor, dict[str, Tensor]]:
        low = run_maps(self.low, maps[1], recompute)
        wide = run_maps(self.pyramid, maps[-1], recompute)
        wide = F.interpolate(wide, low.shape[2:], mode="bilinear", align_corners=False)
        return run_maps(self.merge, torch.cat([wide, low], dim=1), recompute), {}


class ContextDecoder(Decoder):
    """Object-contextual representations (OCR, arXiv 1909.11065), all at the resolution of the last map.

    Auxiliary scores of the map before the last tell to the region of which class each pixel belongs; features of the
    last map, from a 3x3 convolution, look at the regions. No dropout: a network cut at a stride is the same network.
    """

    def __init__(self, channels: Sequence[int], width: int, n_classes: int) -> None:
        super().__init__()
        self.channels = self.aux_channels = width
        self.aux = ConvNormReLU2d(channels[-2], width, 3)
        self.reduce = ConvNormReLU2d(channels[-1], width, 3)
        self.context = ObjectContext(width, n_classes, max(width // 2, 1), dropout=0.0)

    def forward(self, maps: Sequence[Tensor], head: Classifier, recompute: bool) -> tuple[Tensor, dict[str, Tensor]]:
        assert head.aux is not None
        scores: Tensor = head.aux(run_maps(self.aux, maps[-2], recompute))
        feats = run_maps(self.reduce, maps[-1], recompute)
        regions = scores
        if scores.shape[2:] != feats.shape[2:]:
            regions = F.interpolate(scores, feats.shape[2:], mode="bilinear", align_corners=False)
        count, _, height, width = feats.shape
        sample = torch.arange(count, device=feats.device).repeat_interleave(height * width)
        rows = self.context(flatten_pixels(feats), flatten_pixels(regions), sample, count)
        return rows.unflatten(0, (count, height, width)).permute(0, 3, 1, 2), {"aux": scores}


def make_decoder(name: str, channels: Sequence[int], width: int, output_stride: int, n_classes: int) -> Decoder:
    """Return a decoder of the maps of an encoder with ``channels``; raises InputError for other names."""
    if name == "v3plus":
        return SkipDecoder(channels, width, output_stride)
    if name == "ocr":
        return ContextDecoder(channels, width, n_classes)
    rates = {"largefov": (12,), "aspp": (6, 12, 18, 24)}
    if name not in rates:
        raise InputError(f"head={name}: must be one of v3plus, ocr, {', '.join(rates)}")
    return PyramidDecoder(channels, width, rates[name])
