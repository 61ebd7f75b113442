"""Training on given labels and on guessed ones, such as a round of pseudo labels leaves."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.checks import at_least_zero
from pcseg.classes import IGNORE
from pcseg.feeding.batch import Batch
from pcseg.losses import labeled_losses
from pcseg.methods.base import Method
from pcseg.model.model import Model


class GuessedLabels(Method):
    """Cross-entropy of the given labels + ``weight`` * that of the guessed ones, each a mean over its own.

    Given are labels of weight 1, guessed all others, which count by their weights. In one mean, as
    :class:`pcseg.methods.Supervised` takes it, few given labels would hardly count beside many guesses. The loss of
    rounds of self-training such as DARS (ICCV 2021), with weight 1. Auxiliary scores of a network learn the same.
    Raises InputError for a weight below 0.
    """

    def __init__(self, model: Model, weight: float = 1.0) -> None:
        super().__init__(model)
        at_least_zero(weight=weight)
        self.weight = weight

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        elements, labels, weights = self.predict(batch), batch.labels, batch.weights
        given = torch.ones_like(labels, dtype=torch.bool) if weights is None else weights == 1
        losses = labeled_losses(elements, torch.where(given, labels, IGNORE))
        guessed = labeled_losses(elements, torch.where(given, IGNORE, labels), weights)
        return losses | {f"guessed_{name}": self.weight * value for name, value in guessed.items()}
