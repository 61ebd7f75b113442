"""A teacher's decisions on one view of a scene are the labels of its other views."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.checks import at_least_zero, from_zero_to_one
from pcseg.classes import IGNORE
from pcseg.elements import Elements
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import Part, samples_of, select, strong_views
from pcseg.losses import labeled_losses, pseudo_label_cross_entropy
from pcseg.methods.base import Method, running_mean
from pcseg.model.model import Model
from pcseg.networks.protocol import check_levels
from pcseg.nn import frozen_statistics
from pcseg.nn.channel_dropout import drop_channels
from pcseg.pseudo.decision import decide
from pcseg.pseudo.gate import PrecisionGate, held_labels
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

    Where a batch says which samples are unlabeled only these come as views; labeled ones, and plain samples beside
    views, pass like weak views.

    Loss: that of :class:`pcseg.methods.Supervised` on the labels of all samples + ``weight`` * ramp * cross-entropy
    with the decisions. The latter acts from ``progress > warmup`` on and grows linearly over ``ramp``, both shares of
    the stage. With ``deploy_teacher`` the teacher is scored and saved. Raises InputError for numbers out of range.
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
        if dropout > 0:
            check_levels(f"dropout={dropout:g}", self.network)
        self.mean, self.teacher = running_mean(model, teacher)
        self.deployed = "teacher" if deploy_teacher else self.deployed
        self.weight, self.threshold, self.hold_back, self.dropout = weight, threshold, hold_back, dropout
        self.warmup, self.ramp, self.lovasz = warmup, ramp, lovasz
        self.gate = PrecisionGate(len(model.classes), threshold) if hold_back > 0 else None

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        assert batch.matches is not None
        weight = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        held = held_labels(batch, self.hold_back)
        strong = strong_views(batch)
        usual, rows = select(batch, ~strong)
        passes, order = [self.predict(usual)], [rows]
        if strong.any():
            other, its_rows = select(batch, strong)
            passes.append(self._perturbed(other))
            order.append(its_rows)
        elements = _in_order(passes, torch.cat(order).argsort(), batch)
        losses = labeled_losses(elements, torch.where(held, IGNORE, batch.labels), batch.weights, self.lovasz)
        if weight > 0:
            first, second = batch.matches[:, ~strong[batch.sample[batch.matches[0]]]]
            asked = ~strong & (samples_of(batch, first) | samples_of(batch, held))
            part = select(batch, asked) if asked.any() and (asked != ~strong).any() else Part(usual, rows)
            decision, trust = self._decide(batch, part, torch.where(held, batch.labels, IGNORE))
            agreement = pseudo_label_cross_entropy(elements.logits[second], decision[first], trust[first])
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

    def _decide(self, batch: Batch, asked: Part, held: Tensor) -> tuple[Tensor, Tensor]:
        """The teacher's decision (E,) on each element of ``asked``, the samples that strong views are matched with or
        that have labels ``held`` (E,) back, and its confidence (E,), 0 elsewhere and where it is not trusted.

        The labels held back, IGNORE elsewhere, measure its precision.
        """
        part, rows = asked
        scores = self.teacher(part.inputs, position=part.position, color=part.color).logits
        confidence, decision = decide(scores)
        if self.gate is None:
            trust = confidence * (confidence >= self.threshold)
        else:
            if self.training:
                self.gate.update(confidence, decision, held[rows])
            trust = confidence * self.gate(confidence, decision)
        everywhere = torch.zeros_like(batch.labels), torch.zeros_like(batch.labels, dtype=trust.dtype)
        return everywhere[0].index_copy(0, rows, decision), everywhere[1].index_copy(0, rows, trust)


def _in_order(passes: list[Elements], order: Tensor, batch: Batch) -> Elements:
    """Return scores and further outputs of several passes together, those of element e of the batch at order[e]."""
    logits = torch.cat([part.logits for part in passes])[order]
    outputs = {name: torch.cat([part.outputs[name] for part in passes])[order] for name in passes[0].outputs}
    return Elements(logits, logits, batch.sample, batch.position, batch.color, outputs)
