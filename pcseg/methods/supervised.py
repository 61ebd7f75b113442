"""The baseline: the network learns from the labeled elements alone."""

from __future__ import annotations

from torch import Tensor

from pcseg.checks import at_least_zero
from pcseg.feeding.batch import Batch
from pcseg.losses import labeled_losses
from pcseg.methods.base import Method
from pcseg.model.model import Model


class Supervised(Method):
    """Cross-entropy on the labeled elements, plus Lovasz-softmax at weight ``lovasz``; IGNORE takes no part.

    Labels that were spread or guessed count by their confidence, ``Batch.weights``. Auxiliary scores of a network learn
    the same. Raises InputError for a weight below 0.
    """

    def __init__(self, model: Model, lovasz: float = 0.0) -> None:
        super().__init__(model)
        at_least_zero(lovasz=lovasz)
        self.lovasz = lovasz

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        return labeled_losses(self.predict(batch), batch.labels, batch.weights, self.lovasz)
