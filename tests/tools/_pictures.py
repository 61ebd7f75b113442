"""A checkpoint of a network of pictures with random weights, for tests of the tools that take one."""

from __future__ import annotations

from pathlib import Path

import torch

from pcseg.classes import Classes
from pcseg.model.checkpoint import save_model
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec


def picture_checkpoint(path: Path, classes: Classes) -> Path:
    """Save a DeepLab of random weights that sees pictures at a quarter of their resolution, and return ``path``."""
    torch.manual_seed(0)
    spec = NetworkSpec("DeepLab", {"in_channels": 3, "n_classes": len(classes), "width": 16})
    network = spec.build()
    for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        torch.nn.init.normal_(norm.bias)  # so that its scores differ from pixel to pixel
    save_model(path, Model(Networks(network, spec), classes, ImageInputs((0.5,) * 3, (0.25,) * 3, 0.25)))
    return path
