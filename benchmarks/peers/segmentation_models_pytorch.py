"""DeepLabv3+ of segmentation_models_pytorch, with the encoders that pcseg has too; see peers/pictures.py."""

from __future__ import annotations

from functools import partial

import segmentation_models_pytorch as smp
from torch import nn

from benchmarks.peers.pictures import Build

ENCODERS = {
    "v3plus_lite0": ("timm-tf_efficientnet_lite0", 128),
    "v3plus_resnet50": ("resnet50", 256),
    "v3plus_resnet101": ("resnet101", 256),
}
"""Name there, and the channels of the decoder, which are pcseg's."""


def _build(encoder: str, width: int, n_classes: int) -> nn.Module:
    network: nn.Module = smp.DeepLabV3Plus(
        encoder, encoder_weights=None, encoder_output_stride=16, decoder_channels=width, classes=n_classes
    )
    return network


networks: dict[str, Build] = {name: partial(_build, *known) for name, known in ENCODERS.items()}
