"""Training on labels of which some were taken away: a teacher fills the holes with classes that tags allow."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.checks import at_least_zero, one_of
from pcseg.classes import IGNORE
from pcseg.feeding.batch import Batch
from pcseg.losses import labeled_losses
from pcseg.methods.base import Method, running_mean
from pcseg.model.model import Model
from pcseg.schedules import linear_ramp


class MARS(Method):
    """The training of MARS (arXiv 2304.09913) on labels that :class:`pcseg.engine.debias.Debias` left, or any others.

    Loss: weighted cross-entropy over all elements, sum_e w_e ce_e / sum_e w_e. An element without a label has the
    likeliest class of a teacher, the running mean of the network with decay ``teacher``, among those of the tags of its
    sample, and ``weight`` * ramp * its probability as weight; others their own label and weight. Holes are filled from
    ``progress > warmup`` on, with a weight that grows over ``ramp``, both shares of the stage. (There a CRF refines the
    teacher's probabilities first.) ``background``: the class, if any, that needs no tag. With ``deploy_teacher`` the
    teacher is scored and saved. Raises InputError for values out of range.
    """

    needs = frozenset({"tags"})
    reads_tags = True

    def __init__(
        self,
        model: Model,
        teacher: float = 0.99,
        weight: float = 1.0,
        background: str | None = None,
        warmup: float = 0.1,
        ramp: float = 0.1,
        deploy_teacher: bool = True,
    ) -> None:
        super().__init__(model)
        at_least_zero(weight=weight, warmup=warmup, ramp=ramp)
        if background is not None:
            one_of("background", background, model.classes.names)
        self.mean, self.teacher = running_mean(model, teacher)
        self.deployed = "teacher" if deploy_teacher else self.deployed
        self.weight, self.warmup, self.ramp = weight, warmup, ramp
        self.background = None if background is None else model.classes.index(background)

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        elements = self.predict(batch)
        size = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        if size == 0:
            return labeled_losses(elements, batch.labels, batch.weights)
        decision, sure = self._decided(batch)
        hole = batch.labels == IGNORE
        given = torch.ones_like(sure) if batch.weights is None else batch.weights
        return labeled_losses(
            elements, torch.where(hole, decision, batch.labels), torch.where(hole, size * sure, given)
        )

    def after_step(self, step: int) -> None:
        self.teacher.update()

    def _decided(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The teacher's class (E,) among those that tags allow, IGNORE where they allow none, and its probability."""
        assert batch.tags is not None
        allowed = batch.tags.clone()
        if self.background is not None:
            allowed[:, self.background] = True
        logits = self.teacher(batch.inputs, position=batch.position, color=batch.color).logits
        sure, decision = (logits.float().softmax(dim=1) * allowed[batch.sample]).max(dim=1)
        return torch.where(allowed.any(dim=1)[batch.sample], decision, IGNORE), sure
