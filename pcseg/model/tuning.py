"""Choose the part of given weights that a run trains: the classifier alone, or low-rank updates of the others."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pcseg.errors import InputError
from pcseg.model.weights import HEAD
from pcseg.nn.lora import add_low_rank


@dataclass(frozen=True)
class Frozen:
    """Train the classifier alone; all other layers stay as they are, and answer as at test time."""

    def __call__(self, network: nn.Module) -> None:
        """Set what of ``network`` wants a gradient; raises InputError where it has no classifier ``head``."""
        found = False
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.startswith(HEAD))
            found |= name.startswith(HEAD)
        if not found:
            raise InputError(f"tune: {type(network).__name__} has no weight below '{HEAD}'; train all: tune=null")


@dataclass(frozen=True)
class LoRA:
    """Train the classifier, the norms, and updates of ``rank`` of all other linear maps and convolutions.

    (LoRA, arXiv 2106.09685.) An update is scaled by ``alpha / rank``. It is added to the weight when the network is
    saved for inference. Biases stay. Raises InputError for a rank below 1 or an alpha that is not above 0.
    """

    rank: int = 8
    alpha: float = 16.0

    def __call__(self, network: nn.Module) -> None:
        """Add the updates to ``network`` and set what of it wants a gradient."""
        Frozen()(network)
        for layer in network.modules():
            if isinstance(layer, (_BatchNorm, nn.LayerNorm)):
                layer.requires_grad_(True)
        add_low_rank(network, self.rank, self.alpha, skip=HEAD.rstrip("."))
