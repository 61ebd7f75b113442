"""Training on labels of which some were spread or guessed, and on the elements without any."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.checks import at_least_zero
from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import (
    auxiliary_losses,
    cross_entropy,
    entropy,
    lovasz_softmax,
    pair_affinity,
    soft_cross_entropy,
    symmetric_cross_entropy,
    truncated_cross_entropy,
)
from pcseg.methods.base import Method
from pcseg.model.model import Model
from pcseg.networks.protocol import feature_channels
from pcseg.pseudo.prototypes import Prototypes
from pcseg.schedules import linear_ramp

LABEL_LOSSES = {
    "cross_entropy": cross_entropy,
    "symmetric": symmetric_cross_entropy,
    "truncated": truncated_cross_entropy,
}


class SoftLabels(Method):
    """One pass, with losses that bear wrong labels and that reach elements without one. Labels count by their weights.

    Loss: that named by ``noise`` ("cross_entropy", "symmetric" or "truncated", see :mod:`pcseg.losses.noise`) on the
    labeled elements + ``given`` * cross-entropy of those of weight 1, the given labels, alone + ``lovasz`` *
    Lovasz-softmax there + ``affinity`` * :func:`pcseg.losses.pair_affinity` of their features + ``entropy`` * entropy
    of the predictions of unlabeled elements + ``prototypes`` * ERDA: cross-entropy of these with soft labels by
    momentum prototypes of a projection of the features. The last two act from ``progress > warmup`` on and grow
    linearly over ``ramp``, both shares of the stage. A weight of 0 leaves a part out. With the defaults it is
    :class:`pcseg.methods.Supervised`, bit for bit. Raises InputError for weights below 0, another ``noise``, and
    prototypes of a network whose ``head`` does not say what it takes.
    """

    def __init__(
        self,
        model: Model,
        noise: str = "cross_entropy",
        given: float = 0.0,
        lovasz: float = 0.0,
        affinity: float = 0.0,
        entropy: float = 0.0,
        prototypes: float = 0.0,
        warmup: float = 0.1,
        ramp: float = 0.1,
        momentum: float = 0.99,
    ) -> None:
        super().__init__(model)
        at_least_zero(given=given, lovasz=lovasz, affinity=affinity, entropy=entropy, prototypes=prototypes)
        at_least_zero(warmup=warmup, ramp=ramp)
        if noise not in LABEL_LOSSES:
            raise InputError(f"noise={noise}: must be one of {', '.join(LABEL_LOSSES)}")
        self.noise, self.given, self.warmup, self.ramp = noise, given, warmup, ramp
        self.lovasz, self.affinity, self.entropy, self.alignment = lovasz, affinity, entropy, prototypes
        if prototypes > 0:
            width = feature_channels(self.network)
            self.project = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
            self.prototypes = Prototypes(len(model.classes), width, momentum)

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        elements, labels, weights = self.predict(batch), batch.labels, batch.weights
        losses = {self.noise: LABEL_LOSSES[self.noise](elements.logits, labels, weights)}
        losses |= auxiliary_losses(elements, labels, weights)
        if self.given > 0 and weights is not None:
            losses["given"] = self.given * cross_entropy(elements.logits, torch.where(weights == 1, labels, IGNORE))
        if self.lovasz > 0:
            losses["lovasz"] = self.lovasz * lovasz_softmax(elements.logits, labels, weights)
        if self.affinity > 0:
            losses["affinity"] = self.affinity * pair_affinity(elements.feats, labels, weights)
        ramp = linear_ramp(progress, self.warmup, self.ramp)
        if self.entropy * ramp > 0:
            losses["entropy"] = self.entropy * ramp * entropy(elements.logits, labels)
        if self.alignment * ramp > 0:
            projected = self.project(elements.feats)
            if self.training:
                self.prototypes.update(projected, labels, weights)
            scores = self.prototypes(projected)
            losses["prototypes"] = self.alignment * ramp * soft_cross_entropy(scores, elements.logits, labels)
        return losses
