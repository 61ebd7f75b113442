"""Labels are painted and read again: a network of appearance closes the circle between pictures and their labels."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.checks import at_least_zero
from pcseg.classes import IGNORE
from pcseg.exact import softmax
from pcseg.feeding.batch import Batch
from pcseg.feeding.regroup import labeled_part
from pcseg.losses import cross_entropy, labeled_losses
from pcseg.losses.adversarial import absolute_distance, least_squares
from pcseg.methods.base import Method, ParameterGroup, groups
from pcseg.model.appearance import Appearance
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.nn import frozen_statistics
from pcseg.nn.critic import element_critic
from pcseg.nn.levels import rows_of, with_rows
from pcseg.nn.painter import Painter
from pcseg.schedules import linear_ramp


class LabelCycle(Method):
    """Semi-supervised CycleGAN (Mondal et al., arXiv 1908.11569) on pixels and voxels, with labels of any number.

    A painter (:class:`pcseg.nn.painter.Painter`) makes the appearance of elements from a map of their classes: the
    labels where they are known, elsewhere the probabilities of the network. Of clouds it makes colors and the like on
    the given geometry. Losses: cross-entropy with the labels; ``paint`` * absolute distance of painted labeled elements
    to their true appearance in [-1, 1]; ``appearance`` * the same for the others, of which the gradient reaches the
    network through its probabilities; ``labels`` * cross-entropy of the labels read from the painted samples;
    ``adversarial`` * least squares to critics (:func:`pcseg.nn.critic.element_critic`) of painted appearance and
    of the network's probabilities. The last three begin after ``warmup`` and grow over ``ramp``, shares of the stage.

    The player "critic" learns to tell true appearance from painted, and labels from probabilities; with ``adversarial``
    0 there is none. (Those of the release see earlier pictures too, from a pool of 50.) Only the network is kept.
    Raises InputError for weights below 0 and inputs of geometry alone.
    """

    def __init__(
        self,
        model: Model,
        paint: float = 1.0,
        appearance: float = 0.5,
        labels: float = 0.1,
        adversarial: float = 1.0,
        warmup: float = 0.1,
        ramp: float = 0.1,
    ) -> None:
        super().__init__(model)
        at_least_zero(paint=paint, appearance=appearance, labels=labels, adversarial=adversarial)
        at_least_zero(warmup=warmup, ramp=ramp)
        self.weights = {"paint": paint, "appearance": appearance, "labels": labels, "adversarial": adversarial}
        self.warmup, self.ramp, self.n_classes = warmup, ramp, len(model.classes)
        self.seen = Appearance.of(model.inputs)
        self.painter = Painter(len(model.classes), self.seen.width, isinstance(model.inputs, VoxelInputs))
        self.critics = None
        if adversarial > 0:
            critics = {"appearance": element_critic(self.seen.width), "labels": element_critic(len(model.classes))}
            self.critics = torch.nn.ModuleDict(critics)

    def players(self) -> dict[str, list[ParameterGroup]]:
        named = list(self.named_parameters())
        found = {"main": groups((name, p) for name, p in named if not name.startswith("critics."))}
        if self.critics is not None:
            found["critic"] = groups(self.critics.named_parameters())
        return found

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        if player == "critic":
            return self._told_apart(batch)
        known, true = batch.labels != IGNORE, self.seen.read(rows_of(batch.inputs))
        elements = self.predict(batch)
        probability = softmax(elements.logits.float())
        painted = self._paint(batch, probability)
        losses = labeled_losses(elements, batch.labels, batch.weights)
        losses["paint"] = self.weights["paint"] * absolute_distance(painted, true, known)
        ramp = linear_ramp(progress, self.warmup, self.ramp)
        if ramp * self.weights["appearance"] > 0:
            losses["appearance"] = ramp * self.weights["appearance"] * absolute_distance(painted, true, ~known)
        if ramp * self.weights["labels"] > 0:
            losses["label_cycle"] = ramp * self.weights["labels"] * self._read_again(batch, painted)
        if ramp > 0 and self.critics is not None:
            taken = least_squares(self.critics["appearance"](painted), 1.0, known)
            taken = taken + least_squares(self.critics["labels"](probability), 1.0, ~known)
            losses["adversarial"] = ramp * self.weights["adversarial"] * taken
        return losses

    def _paint(self, batch: Batch, probability: Tensor) -> Tensor:
        """The appearance (E, A) of labels where they are known, and of the network's probabilities (E, K) elsewhere."""
        known = (batch.labels != IGNORE)[:, None]
        return self.painter(with_rows(batch.inputs, torch.where(known, self._one_hot(batch), probability)))

    def _read_again(self, batch: Batch, painted: Tensor) -> Tensor:
        """The cross-entropy of the labels with what the network sees in painted samples; its running statistics stay
        those of true ones."""
        inputs = with_rows(batch.inputs, self.seen.write(rows_of(batch.inputs), painted))
        part = labeled_part(replace(batch, inputs=inputs)).batch
        with frozen_statistics(self.network):
            return cross_entropy(self.predict(part).logits, part.labels, part.weights)

    def _told_apart(self, batch: Batch) -> dict[str, Tensor]:
        """The losses of the critics, halved as in CycleGAN: true values are to score 1, made ones 0."""
        assert self.critics is not None
        known = batch.labels != IGNORE
        everywhere = torch.ones_like(known)
        with torch.no_grad(), frozen_statistics(self.network):
            probability = softmax(self.predict(batch).logits.float())
            painted, true = self._paint(batch, probability), self.seen.read(rows_of(batch.inputs))
        colors, labels = self.critics["appearance"], self.critics["labels"]
        appearance = least_squares(colors(true), 1.0, everywhere) + least_squares(colors(painted), 0.0, known)
        classes = least_squares(labels(self._one_hot(batch)), 1.0, known) + least_squares(
            labels(probability), 0.0, ~known
        )
        return {"appearance": appearance / 2, "labels": classes / 2}

    def _one_hot(self, batch: Batch) -> Tensor:
        """The labels (E, K) as probabilities, where they are known."""
        return F.one_hot(batch.labels.clamp(min=0), self.n_classes).float()
