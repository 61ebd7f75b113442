"""Image encoders by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pcseg.errors import InputError
from pcseg.networks.efficientnet_lite import EfficientNetLite0
from pcseg.networks.encoder import Encoder
from pcseg.networks.resnet import ResNet

BACKBONES: dict[str, tuple[Callable[[int, int], Encoder], int]] = {
    "efficientnet_lite0": (EfficientNetLite0, 128),
    "resnet18": (partial(ResNet, 18), 128),
    "resnet50": (partial(ResNet, 50), 256),
    "resnet101": (partial(ResNet, 101), 256),
}
"""Constructor of each encoder and a width for decoders on it."""


def make_encoder(name: str, in_channels: int, output_stride: int) -> tuple[Encoder, int]:
    """Return an encoder with fresh weights and the usual width of decoders on it; raises InputError for other names."""
    if name not in BACKBONES:
        raise InputError(f"backbone={name}: must be one of {', '.join(BACKBONES)}")
    constructor, width = BACKBONES[name]
    return constructor(in_channels, output_stride), width
