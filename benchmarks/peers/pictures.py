"""One interface to other libraries of networks of pictures.

An adapter is a file ``<library>.py`` beside this one with ``networks``: a dictionary from the name of a network, one of
``benchmarks.harness.pictures.OWN`` where pcseg has it too, to a function that takes the number of classes K and returns
a module with fresh weights from pictures (B, 3, H, W) to scores (B, K, H, W).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from torch import nn

Build = Callable[[int], nn.Module]
"""Function from the number of classes to a network."""

PEERS = ("segmentation_models_pytorch", "torchvision")
"""Import names of the libraries."""


def open_peer(name: str) -> dict[str, Build]:
    """Return the networks of the library ``name``; raises any error of importing it."""
    found: dict[str, Build] = importlib.import_module(f"benchmarks.peers.{name}").networks
    return found
