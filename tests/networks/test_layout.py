"""The layout of maps in networks of images: channels last all the way, which a CPU needs to be fast."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pcseg.networks import DeepLab


@pytest.mark.parametrize("head", ["v3plus", "aspp", "largefov", "ocr"])
@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "resnet18"])
def test_all_convolutions_see_maps_with_channels_last(backbone: str, head: str) -> None:
    """A norm after maps in another layout takes twice as long, and all that follows has that layout."""
    network, wrong = DeepLab(3, 5, backbone, head, width=12).train(), []

    def look(layer: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        if inputs[0].shape[1] > 1 and not inputs[0].is_contiguous(memory_format=torch.channels_last):
            wrong.append((type(layer).__name__, tuple(inputs[0].shape)))

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer is not network.head:
            layer.register_forward_hook(look)
    network(torch.randn(2, 3, 33, 40))
    assert not wrong
