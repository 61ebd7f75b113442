"""Which decisions of a teacher to trust, by a threshold that follows its mean confidence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.checks import at_least_zero, from_zero_to_one
from pcseg.errors import InputError
from pcseg.pseudo.running import move

LOWEST, HIGHEST = 0.3, 0.8
"""The range of the published threshold."""


def dynamic_threshold(mean: Tensor, base: float = 0.6, beta: float = 0.5) -> Tensor:
    """Return ``base / (1 + exp(-beta (mean - 0.5)))`` of a mean confidence, cut to LOWEST and HIGHEST.

    The threshold of CW-BASS (arXiv 2502.15152, its released code). With the published ``base`` and ``beta`` it is .30
    to .34 whatever the teacher, so that of a few classes next to nothing is left out; 0.9 and 5 give .30 to .80.
    """
    return (base / (1 + torch.exp(-beta * (mean - 0.5)))).clamp(LOWEST, HIGHEST)


class DynamicThreshold(nn.Module):
    """Accepts a teacher's decisions above :func:`dynamic_threshold` of the mean confidence of the batch.

    With ``floor`` above 0 the threshold is at least that share of the running mean of the confidence, with decay
    ``momentum`` from batch to batch: the floor of CW-BASS v2 (arXiv 2608.12773, there 0.95 and 0.99), which rises with
    a teacher that grows sure of itself. Raises InputError for numbers out of range.
    """

    mean: Tensor
    met: Tensor

    def __init__(self, base: float = 0.6, beta: float = 0.5, floor: float = 0.0, momentum: float = 0.99) -> None:
        super().__init__()
        at_least_zero(base=base, beta=beta)
        from_zero_to_one(floor=floor)
        if not 0 <= momentum < 1:
            raise InputError(f"momentum={momentum:g}: give 0 to below 1")
        self.base, self.beta, self.floor, self.momentum = base, beta, floor, momentum
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("met", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def update(self, confidence: Tensor) -> None:
        """Take the confidence (E,) of a batch of decisions in; the first is the mean of all so far."""
        if len(confidence):
            move(self.mean, self.met, confidence.float().mean(), torch.ones_like(self.met), self.momentum)

    def forward(self, confidence: Tensor) -> Tensor:
        """Return (E,) bool: the decisions that are accepted."""
        threshold = dynamic_threshold(confidence.float().mean(), self.base, self.beta)
        return confidence > torch.maximum(threshold, self.floor * self.mean)
