"""A teacher's decisions as labels, weighted by their confidence and once more at boundaries between classes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from pcseg.checks import at_least_zero, from_zero_to_one, one_of
from pcseg.classes import IGNORE
from pcseg.elements import at_boundary
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import Part, labeled_part, samples_of, select
from pcseg.losses import cross_entropy, labeled_losses
from pcseg.losses.confidence import confident_cross_entropy
from pcseg.methods.base import Method, running_mean
from pcseg.model.model import Model
from pcseg.pseudo.boundary import neighbors
from pcseg.pseudo.decision import decide
from pcseg.pseudo.dynamic_threshold import DynamicThreshold
from pcseg.pseudo.gate import PrecisionGate, held_labels
from pcseg.schedules import linear_ramp

THRESHOLDS = ("published", "floor", "gate")
"""Rules for the decisions that are labels."""

FLOOR = 0.95
"""Share of the mean confidence that the floor of CW-BASS v2 is at."""


class CWBASS(Method):
    """CW-BASS (arXiv 2502.15152, version 2: 2608.12773): pixels or points, labels of some scenes or of some points.

    The teacher, a running mean of the weights and statistics with decay ``teacher`` (the release copies the
    statistics), decides on each element. Its decisions are labels where ``threshold`` accepts their confidence c:
    "published" above a threshold that follows the mean of c, which with the published ``base`` and ``beta`` leaves out
    next to nothing, "floor" above the larger of that and 0.95 of the running mean of c (version 2), "gate" as held-back
    labels tell (:class:`pcseg.pseudo.gate.PrecisionGate`, version 2): a share ``hold_back`` of the given labels, where
    points have numbers, is then never trained on.

    Loss: cross-entropy with the given labels + ``weight`` * ramp * (that with accepted decisions, each counting
    c^``gamma`` * ``decay``, + ``boundary`` * that with those next to an element of another decision, accepted or not).
    Where a batch says which samples are unlabeled only these are decided on, else all. The weight acts from ``progress
    > warmup`` on and grows linearly over ``ramp``, both shares of the stage. With ``deploy_teacher`` the teacher is
    scored and saved. Raises InputError for values out of range.
    """

    def __init__(
        self,
        model: Model,
        teacher: float = 0.999,
        weight: float = 1.0,
        gamma: float = 1.0,
        threshold: str = "floor",
        base: float = 0.6,
        beta: float = 0.5,
        hold_back: float = 0.05,
        decay: float = 1.0,
        boundary: float = 0.5,
        warmup: float = 0.1,
        ramp: float = 0.1,
        deploy_teacher: bool = False,
    ) -> None:
        super().__init__(model)
        at_least_zero(weight=weight, gamma=gamma, boundary=boundary, warmup=warmup, ramp=ramp)
        from_zero_to_one(hold_back=hold_back, decay=decay)
        one_of("threshold", threshold, THRESHOLDS)
        self.mean, self.teacher = running_mean(model, teacher)
        self.deployed = "teacher" if deploy_teacher else self.deployed
        self.weight, self.gamma, self.decay, self.boundary = weight, gamma, decay, boundary
        self.warmup, self.ramp = warmup, ramp
        self.hold_back = hold_back if threshold == "gate" else 0.0
        floor = FLOOR if threshold == "floor" else 0.0
        dynamic = DynamicThreshold(base, beta, floor)
        self.rule = PrecisionGate(len(model.classes)) if threshold == "gate" else dynamic

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        weight = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        held = held_labels(batch, self.hold_back)
        trained = replace(batch, labels=torch.where(held, IGNORE, batch.labels))
        seen = trained if weight > 0 else labeled_part(trained).batch
        elements = self.predict(seen)
        losses = labeled_losses(elements, seen.labels, seen.weights)
        if weight > 0:
            labels, confidence, boundary = self._decide(batch, held)
            trust = self.decay * confidence**self.gamma
            losses["confident"] = weight * confident_cross_entropy(elements.logits, labels, trust)
            if self.boundary > 0:
                edge = cross_entropy(elements.logits, torch.where(boundary, labels, IGNORE))
                losses["boundary"] = weight * self.boundary * edge
        return losses

    def after_step(self, step: int) -> None:
        self.teacher.update()

    def _decide(self, batch: Batch, held: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The teacher's decision (E,), IGNORE where it is none to learn from, its confidence, and whether it is at a
        boundary between decisions.
        """
        everyone = torch.ones(batch.n_samples, dtype=torch.bool, device=batch.sample.device)
        learning = everyone if batch.domain is None else batch.domain == 1
        chosen = learning | samples_of(batch, held)
        everything = Part(batch, torch.arange(len(held), device=held.device))
        part, rows = everything if chosen.all() else select(batch, chosen)  # the same voxels keep their kernel maps
        scores = self.teacher(part.inputs, position=part.position, color=part.color).logits
        confidence, decision = decide(scores)
        accepted = self._accepted(confidence, decision, torch.where(held, batch.labels, IGNORE)[rows])
        labels = torch.where(accepted & learning[batch.sample[rows]], decision, IGNORE)
        return (
            torch.full_like(batch.labels, IGNORE).index_copy(0, rows, labels),
            torch.zeros_like(batch.position[:, 0]).index_copy(0, rows, confidence),
            torch.zeros_like(held).index_copy(0, rows, at_boundary(decision, neighbors(part))),
        )

    def _accepted(self, confidence: Tensor, decision: Tensor, held: Tensor) -> Tensor:
        """Whether each decision is a label (E,) bool; in training the rule first takes them in."""
        if isinstance(self.rule, PrecisionGate):
            if self.training:
                self.rule.update(confidence, decision, held)
            return self.rule(confidence, decision)
        if self.training:
            self.rule.update(confidence)
        return self.rule(confidence)
