"""Strong views learn soft labels that fuse the decoder's scores with refined class activation of the weak views."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pcseg.activation import ActivationAttention, TagHead, cell_means, class_activation, interpolated
from pcseg.checks import above_zero, at_least_zero, from_zero_to_one, one_of
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import Part, select, strong_views
from pcseg.losses import cross_entropy, labeled_losses, present_classes, soft_cross_entropy
from pcseg.losses.tags import tag_cross_entropy
from pcseg.methods.base import Method
from pcseg.model.model import Model
from pcseg.networks.protocol import check_levels
from pcseg.nn import frozen_statistics
from pcseg.nn.levels import rows_of, sample_of
from pcseg.pseudo.fusion import NORMS, calibrated_fusion
from pcseg.schedules import linear_ramp


class PseudoSeg(Method):
    """PseudoSeg (arXiv 2010.09713): pixels or points, labels of some scenes or of some points.

    At the encoder level of ``stride`` (0: the coarsest) a classifier of whole samples learns their tags; its class
    activation is refined by attention over the features of that level and the one before, and gives a second set of
    scores, interpolated at the elements. Both are fused into soft labels of the weak view
    (:func:`pcseg.pseudo.fusion.calibrated_fusion` with ``norm`` and ``temperature``), which the strong view learns.

    Loss: cross-entropy of the decoder with the labels + that of the second scores (it trains the attention alone) +
    ``tags`` * binary cross-entropy of the classifier + ``weight`` * ramp * soft cross-entropy of the strong views with
    the fused labels, where they have no label of their own, without a threshold. Tags are those of the batch; without
    them those of the labels, and of unlabeled samples the classifier's own. ``background``: the class, if any, that has
    no tag, since it is wherever no other is. Where labels are those of some points, classes without one weigh
    ``absent`` in the classifier's loss, and strong views learn their labels too. The weight acts from
    ``progress > warmup`` on and grows over ``ramp``, both shares of the stage. With ``weight`` and ``tags`` 0 the
    network learns as in :class:`pcseg.methods.Supervised`.

    A class that every sample shows has an activation that tells nothing: samples should be parts of scenes that differ
    in their classes. Raises InputError for values out of range.
    """

    needs = frozenset({"matches"})
    reads_tags = True

    def __init__(
        self,
        model: Model,
        weight: float = 1.0,
        tags: float = 1.0,
        norm: str = "joint",
        temperature: float = 0.5,
        stride: int = 0,
        background: str | None = None,
        absent: float = 0.3,
        warmup: float = 0.1,
        ramp: float = 0.1,
    ) -> None:
        super().__init__(model)
        at_least_zero(weight=weight, tags=tags, warmup=warmup, ramp=ramp)
        above_zero(temperature=temperature)
        from_zero_to_one(absent=absent)
        one_of("norm", norm, NORMS)
        if background is not None:
            one_of("background", background, model.classes.names)
        self.weight, self.tags, self.norm, self.temperature = weight, tags, norm, temperature
        self.absent, self.warmup, self.ramp = absent, warmup, ramp
        check_levels("PseudoSeg", self.network)
        strides: tuple[int, ...] = self.network.strides
        self.stride = stride or strides[-1]
        channels, self.n_classes = self.network.channels_at(self.stride), len(model.classes)
        before = strides[: strides.index(self.stride)][-1:]
        self.objects = [number for number, name in enumerate(model.classes.names) if name != background]
        self.head = TagHead(channels, len(self.objects))
        further = sum(map(self.network.channels_at, before))
        self.attention = ActivationAttention(channels + further, self.n_classes, self.objects)

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        assert batch.matches is not None
        weight = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        strong = strong_views(batch)
        usual = select(batch, ~strong)
        levels = self.network.encode(usual.batch.inputs, self.stride)
        elements = self.network.decode(levels, position=usual.batch.position, color=usual.batch.color)
        tag_scores = self.head(rows_of(levels[-1]), sample_of(levels[-1]), usual.batch.n_samples)
        said, told, all_told = self._said(usual.batch)
        present = said | ((tag_scores > 0) & ~(told & all_told)[:, None])
        second = interpolated(self._activated(levels, present), levels[-1], usual.batch.inputs)
        losses = labeled_losses(elements, usual.batch.labels, usual.batch.weights)
        losses["refined_cross_entropy"] = cross_entropy(second, usual.batch.labels, usual.batch.weights)
        absent = 1.0 if all_told else self.absent
        losses["tags"] = self.tags * tag_cross_entropy(tag_scores[told], said[told], absent)
        if weight > 0 and strong.any():
            soft = calibrated_fusion(elements.logits, second, self.norm, self.temperature)
            losses |= self._learned(batch, usual, select(batch, strong), soft, weight)
        return losses

    def _learned(self, batch: Batch, usual: Part, other: Part, soft: Tensor, weight: float) -> dict[str, Tensor]:
        """The losses of the strong views ``other`` on the labels ``soft`` (E, K) of ``usual``, and on their own.

        Running statistics stay those of weak views, as at test time.
        """
        assert batch.matches is not None
        with frozen_statistics(self.network):
            logits = self.predict(other.batch).logits
        place, weak = torch.empty_like(batch.sample), torch.zeros_like(batch.sample, dtype=torch.bool)
        for rows in (usual.rows, other.rows):
            place[rows] = torch.arange(len(rows), device=rows.device)
        weak[usual.rows] = True
        first, second = batch.matches[:, weak[batch.matches[0]]]
        agreement = soft_cross_entropy(soft[place[first]].log(), logits[place[second]], batch.labels[second])
        losses = {"consistency": weight * agreement}
        if batch.domain is None:
            losses["strong_cross_entropy"] = cross_entropy(logits, other.batch.labels, other.batch.weights)
        return losses

    def _activated(self, levels: tuple[Any, ...], present: Tensor) -> Tensor:
        """The second scores (N, K) of the cells of the last level; gradients reach the attention alone."""
        feats, cell = rows_of(levels[-1]), sample_of(levels[-1])
        activation = class_activation(feats.detach(), self.head.weight.detach(), cell, present)
        before = [cell_means(level, levels[-1]) for level in levels[-2:-1]]
        scores: Tensor = self.attention(activation, torch.cat([*before, feats], dim=1).detach(), cell)
        return scores

    def _said(self, batch: Batch) -> tuple[Tensor, Tensor, bool]:
        """The tags (B, T) bool of samples, which samples (B,) bool have any, and whether these lack none."""
        if batch.tags is not None:
            return batch.tags[:, self.objects], torch.ones_like(batch.tags[:, 0]), True
        found = present_classes(batch.labels, batch.sample, batch.n_samples, self.n_classes)
        return found[:, self.objects], found.any(dim=1), batch.domain is not None
