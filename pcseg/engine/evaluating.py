"""Use a network as at test time, wherever training stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

CPU = torch.device("cpu")


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """No gradients and the network in eval mode; afterwards in the mode it was in."""
    training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(training)
