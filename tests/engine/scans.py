"""A small network of random weights, and a scan of a floor and a wall for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pcseg.classes import Classes
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec

CLASSES = Classes(("floor", "wall", "chair"))


def model(features: Sequence[Any] = ("optional_color", "height"), width: int = 4) -> Model:
    """Return an untrained model of voxels of 0.1 m; the features have ``width`` channels in all."""
    torch.manual_seed(1)
    spec = NetworkSpec("MinkUNet", {"in_channels": width, "n_classes": 3, "channels": (8, 8), "blocks": (1, 1)})
    network = spec.build()
    # Fresh running statistics leave an untrained network with nearly one answer for everything.
    torch.nn.init.normal_(network.head.weight, std=3.0)
    return Model(Networks(network, spec), CLASSES, VoxelInputs(0.1, features))


def scan(length: float = 4.0, seed: int = 0, density: float = 120.0) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates (P, 3) in m and colors (P, 3) from 0 to 255; the floor is ``length`` x 3 m."""
    rng = np.random.default_rng(seed)
    n = int(length * 3 * density)
    floor = np.stack([rng.uniform(0, length, n), rng.uniform(0, 3, n), rng.normal(0, 0.02, n)], axis=1)
    wall = np.stack([rng.uniform(0, length, n), np.zeros(n), rng.uniform(0, 2.5, n)], axis=1)
    return np.concatenate([floor, wall]), rng.integers(0, 256, (2 * n, 3)).astype(np.uint8)
