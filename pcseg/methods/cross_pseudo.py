"""Two networks that learn from the labels, and each from the other's decisions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.checks import at_least_zero, one_of
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import draw_boxes, labeled_part, mix, next_sample, unlabeled_part
from pcseg.losses import cross_entropy, labeled_losses
from pcseg.methods.base import Method
from pcseg.model.model import Model
from pcseg.nn import STATISTICS, deciding
from pcseg.schedules import linear_ramp


class CrossPseudo(Method):
    """Cross pseudo supervision (CPS, arXiv 2106.01226): pixels or points, labels of some scenes or of some points.

    Loss: cross-entropy of both networks with the labels + ``weight`` * ramp * (that of each network with the other's
    most probable classes, without a threshold), a mean over the elements. With ``boxes`` above 0 (CutMix) the decisions
    are made on the samples as they are, and learned where regions of that many boxes have changed places between
    samples; else on the same elements. Where a batch says which samples are unlabeled only these are decided on, else
    all. ``statistics``: the batch norms that make the decisions use those of the "batch" or the "running" ones; neither
    updates them. The weight acts from ``progress > warmup`` on and grows over ``ramp``, both shares of the stage.

    The first network is deployed; the second has weights of its own. Raises InputError for values out of range.
    """

    def __init__(
        self,
        model: Model,
        weight: float = 1.0,
        boxes: int = 3,
        statistics: str = "batch",
        warmup: float = 0.1,
        ramp: float = 0.1,
    ) -> None:
        super().__init__(model)
        at_least_zero(weight=weight, boxes=boxes, warmup=warmup, ramp=ramp)
        self.other = model.networks.make("other")
        self.weight, self.boxes, self.warmup, self.ramp = weight, boxes, warmup, ramp
        one_of("statistics", statistics, STATISTICS)
        self.statistics = statistics

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        weight = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        labeled = batch if weight > 0 and not self.boxes else labeled_part(batch).batch
        found = [self.predict(labeled, network) for network in (self.network, self.other)]
        losses: dict[str, Tensor] = {}
        for prefix, elements in zip(("", "other_"), found, strict=True):
            parts = labeled_losses(elements, labeled.labels, labeled.weights)
            losses |= {prefix + name: value for name, value in parts.items()}
        if weight > 0:
            unlabeled, rows = unlabeled_part(batch)
            if self.boxes:
                losses["cross"] = weight * self._across_boxes(unlabeled)
            else:
                one, two = (elements.logits[rows] for elements in found)
                losses["cross"] = weight * (cross_entropy(one, two.argmax(1)) + cross_entropy(two, one.argmax(1)))
        return losses

    def _across_boxes(self, batch: Batch) -> Tensor:
        """The cross-entropy of each network with the other's decisions, on samples with regions of others."""
        first, second = (self._decide(network, batch) for network in (self.network, self.other))
        mixed, rows = mix(batch, next_sample(batch.n_samples, batch.sample.device), draw_boxes(batch, self.boxes))
        one, two = (self.predict(mixed, network).logits for network in (self.network, self.other))
        return cross_entropy(one, second[rows]) + cross_entropy(two, first[rows])

    @torch.no_grad()
    def _decide(self, network: nn.Module, batch: Batch) -> Tensor:
        with deciding(network, self.statistics):
            return self.predict(batch, network).logits.argmax(dim=1)
