"""A teacher's decisions on one view of a scene are the labels of its other views."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.checks import at_least_zero, from_zero_to_one
from pcseg.classes import IGNORE
from pcseg.elements import Elements
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import select
from pcseg.losses import pseudo_label_cross_entropy, segmentation_losses
from pcseg.methods.base import Method
from pcseg.model.model import Model
from pcseg.nn import frozen_statistics
from pcseg.nn.channel_dropout import drop_channels
from pcseg.pseudo import MeanTeacher
from pcseg.pseudo.gate import PrecisionGate, held_back
from pcseg.schedules import linear_ramp


class ViewConsistency(Method):
    """Weak-to-strong consistency (FixMatch, UniMatch V2: arXiv 2410.10777) with labels of any number.

    The first view of a part of a scene is weak, the others are strong: augmented more where the sampler says so, and
    a share ``dropout`` of them without half of the channels of the bottleneck, of which two strong views never lose the
    same. The teacher, a running mean of the weights with decay ``teacher``, decides on the weak view; its decisions are
    the labels of the same points of the strong views, at the weight of their confidence. Those below ``threshold`` have
    none; with ``hold_back`` above 0, that share of the given labels (weight 1) is never trained on, and where it shows
    the teacher to be less precise than ``threshold``, floors per class decide instead
    (:class:`pcseg.pseudo.gate.PrecisionGate`). (Labels that were spread from a held-back one are trained on: their
    precision then looks higher than it is.)

    Loss: that of :class:`pcseg.methods.Supervised` on the labels of all views + ``weight`` * ramp * cross-entropy with
    the decisions. The latter acts from ``progress > warmup`` on and grows linearly over ``ramp``, both shares of the
    stage. With ``deploy_teacher`` the teacher is scored and saved. Raises InputError for numbers out of range.
    """

    needs = frozenset({"matches"})

    def __init__(
        self,
        model: Model,
        teacher: float = 0.99,
        weight: float = 1.0,
        threshold: float = 0.95,
        hold_back: float = 0.05,
        dropout: float = 0.5,
        warmup: float = 0.1,
        ramp: float = 0.1,
        lovasz: float = 0.0,
        deploy_teacher: bool = True,
    ) -> None:
        super().__init__(model)
        at_least_zero(weight=weight, warmup=warmup, ramp=ramp, lovasz=lovasz)
        from_zero_to_one(threshold=threshold, hold_back=hold_back, dropout=dropout)
        begun = "teacher" in model.networks
        self.mean = model.networks["teacher"] if begun else model.networks.copy("teacher")
        self.teacher = MeanTeacher(self.mean, self.network, teacher, begun)
        self.deployed = "teacher" if deploy_teacher else self.deployed
        self.weight, self.threshold, self.hold_back, self.dropout = weight, threshold, hold_back, dropout
        self.warmup, self.ramp, self.lovasz = warmup, ramp, lovasz
        self.gate = PrecisionGate(len(model.classes), threshold) if hold_back > 0 else None

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        assert batch.matches is not None
        weight = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        held = self._held_back(batch)
        # Views are matched in their order, so that a weak one is never the second of a pair.
        chosen = torch.zeros(batch.n_samples, dtype=torch.bool, device=batch.sample.device)
        chosen = chosen.index_fill(0, batch.sample[batch.matches[1]], True)
        strong = chosen[batch.sample]
        usual, rows = select(batch, ~chosen)
        passes, order = [self.predict(usual).logits], [rows]
        if chosen.any():
            other, its_rows = select(batch, chosen)
            passes.append(self._perturbed(other).logits)
            order.append(its_rows)
        logits = torch.cat(passes)[torch.cat(order).argsort()]
        losses = segmentation_losses(logits, torch.where(held, IGNORE, batch.labels), self.lovasz, batch.weights)
        if weight > 0:
            decision, trust = self._decide(usual, torch.where(held, batch.labels, IGNORE)[rows])
            first, second = batch.matches[:, ~strong[batch.matches[0]]]
            place = torch.empty_like(batch.sample)
            place[rows] = torch.arange(len(rows), device=rows.device)
            agreement = pseudo_label_cross_entropy(logits[second], decision[place[first]], trust[place[first]])
            losses["consistency"] = weight * agreement
        return losses

    def after_step(self, step: int) -> None:
        self.teacher.update()

    def _perturbed(self, part: Batch) -> Elements:
        """The prediction of strong views; running statistics stay those of weak ones, as at test time."""
        with frozen_statistics(self.network):
            if self.dropout == 0:
                return self.predict(part)
            *skips, bottom = self.network.encode(part.inputs)
            levels = (*skips, drop_channels(bottom, self.dropout))
            elements: Elements = self.network.decode(levels, position=part.position, color=part.color)
            return elements

    def _decide(self, part: Batch, held: Tensor) -> tuple[Tensor, Tensor]:
        """The teacher's decision (E,) of each element, and its confidence (E,), 0 where it is not trusted."""
        scores = self.teacher(part.inputs, position=part.position, color=part.color).logits
        confidence, decision = scores.float().softmax(dim=1).max(dim=1)
        if self.gate is None:
            return decision, confidence * (confidence >= self.threshold)
        if self.training:
            self.gate.update(confidence, decision, held)
        return decision, confidence * self.gate(confidence, decision)

    def _held_back(self, batch: Batch) -> Tensor:
        """The given labels (E,) bool that are not trained on; none where points have no numbers to know them by."""
        given = batch.labels != IGNORE
        if self.gate is None or batch.point is None:
            return torch.zeros_like(given)
        if batch.weights is not None:
            given = given & (batch.weights == 1)
        return given & held_back(batch.point, batch.sample, batch.names, self.hold_back)
