"""Class activation alone: scores of elements whose mean over a sample tells its tags."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pcseg.activation.cam import activation_of_maps, pooled_scores
from pcseg.checks import one_of
from pcseg.elements import Elements
from pcseg.feeding.batch import Batch
from pcseg.methods.tag_method import TagMethod
from pcseg.model.model import Model

POOLS = ("mean", "max")


class ClassActivation(TagMethod):
    """Class activation maps (Zhou et al., CVPR 2016) at full resolution: pixels or points, tags of each sample.

    Loss: binary cross-entropy of the ``pool``, "mean" or "max", of the scores of a sample with its tags, offset by the
    log odds of each tag among all samples so far: else a class that is nearly everywhere would win each element. With
    ``weight`` above 0 the scores also learn the labels of their own activation (:class:`TagMethod`). The network is
    deployed as it is: an element has the class of its largest score. A ``background`` needs that weight, since no tag
    tells its score.
    """

    def __init__(
        self,
        model: Model,
        pool: str = "mean",
        weight: float = 0.0,
        high: float = 0.5,
        low: float = 0.2,
        background: str | None = None,
        warmup: float = 0.3,
        ramp: float = 0.2,
    ) -> None:
        super().__init__(model, weight, high, low, background, 0, warmup, ramp)
        one_of("pool", pool, POOLS)
        self.pool = pool
        self.often: Tensor
        self.register_buffer("often", torch.ones(2, self.n_classes))  # samples with and without each tag, so far

    def activate(
        self, levels: tuple[Any, ...], elements: Elements, batch: Batch, progress: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        tags, sample = self.tags(batch), batch.sample
        scores = pooled_scores(elements.logits, sample, batch.n_samples, self.pool)
        if self.training:
            self.often += torch.stack([tags.sum(0), (~tags).sum(0)])
        usual = (self.often[0] / self.often[1]).log()
        return {"tags": self.tag_loss(scores + usual, tags)}, activation_of_maps(elements.logits.detach(), sample, tags)
