"""Two streams that swap what they see: class activation teaches segmentation, segmentation teaches activation."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.activation.cam import activation_of_maps, pooled_scores
from pcseg.activation.levels import interpolated
from pcseg.checks import at_least_zero, one_of
from pcseg.classes import IGNORE
from pcseg.elements import Elements
from pcseg.exact import exact
from pcseg.feeding.batch import Batch
from pcseg.losses import cross_entropy, labeled_losses
from pcseg.losses.dense_energy import dense_energy
from pcseg.losses.label_contrast import label_info_nce
from pcseg.methods.base import running_mean
from pcseg.methods.tag_method import TagMethod
from pcseg.model.model import Model
from pcseg.nn.levels import Level, rows_of, sample_of
from pcseg.pseudo import MeanTeacher
from pcseg.pseudo.boundary import neighbors
from pcseg.pseudo.gmm import ThresholdSearch, certainty
from pcseg.pseudo.tag_labels import labels_of_activation
from pcseg.refine.adaptive import adaptive_refinement
from pcseg.schedules import linear_ramp

SHARPNESS = 0.01
"""Temperature of the assignment network's probabilities as targets of activation."""

CERTAIN = math.exp(-1)
"""Certainty from which a label of activation is taken for contrast: perplexity 1 or less."""


class CoSA(TagMethod):
    """Co-training with swapped assignments (arXiv 2402.17891), in one stage: pixels or points, tags of each sample.

    A bias-free linear head on the encoder level of ``stride``, 0: the coarsest, gives class maps whose ``pool`` over a
    sample, "max" or "mean", tells its tags. With ``auxiliary`` above 0 a second one, on the level before (where there
    is one above stride 1), does so too. An assignment network, the running mean of the network and of these heads with
    decay ``teacher``, makes what both streams learn:

    - ``weight`` * cross-entropy of the scores with the labels of its activation, the mean of that of objects and that
      of the background, each over its own elements, and of both heads. With ``perplexity`` an element weighs by its
      :func:`pcseg.pseudo.gmm.certainty`. With ``refine`` above 0 the activation is refined that many times first
      (:func:`pcseg.refine.adaptive.adaptive_refinement`).
    - ``cam`` * binary cross-entropy of ReLU(class maps) with its sharp probabilities among the classes of the tags.
    - ``energy`` * :func:`pcseg.losses.dense_energy.dense_energy` of the scores, over neighbors.
    - ``contrast`` * :func:`pcseg.losses.label_contrast.label_info_nce` of the features below the auxiliary head, or the
      main one, with labels of low perplexity.

    Added to the cross-entropy of given labels and that of the tags, these act from ``progress > warmup`` on and grow
    over ``ramp``, both shares of the stage. With ``search`` the thresholds begin at ``low`` and ``high`` and follow the
    activation (:class:`pcseg.pseudo.gmm.ThresholdSearch`). ``background`` as in :class:`TagMethod`; without one there
    is no lower threshold. There, but not here, the assignment network sees each picture at three scales and mirrored.
    Raises InputError for values out of range.
    """

    mean: Any  # an nn.Module with encode and decode, as ``network``

    def __init__(
        self,
        model: Model,
        pool: str = "max",
        teacher: float = 0.99,
        weight: float = 0.1,
        cam: float = 0.05,
        auxiliary: float = 1.0,
        energy: float = 0.05,
        contrast: float = 0.1,
        high: float = 0.7,
        low: float = 0.25,
        search: bool = True,
        perplexity: bool = True,
        refine: int = 0,
        background: str | None = None,
        stride: int = 0,
        warmup: float = 0.3,
        ramp: float = 0.2,
        deploy_teacher: bool = True,
    ) -> None:
        super().__init__(model, weight, high, low, background, stride, warmup, ramp)
        one_of("pool", pool, ("max", "mean"))
        at_least_zero(cam=cam, auxiliary=auxiliary, energy=energy, contrast=contrast, refine=refine)
        before = [s for s in self.network.strides if 1 < s < self.stride][-1:] if auxiliary > 0 else []
        widths = [self.channels, *(self.network.channels_at(s) for s in before)]
        self.heads = nn.ModuleList(nn.Linear(width, self.n_classes, bias=False) for width in widths)
        self.mean_heads = copy.deepcopy(self.heads).requires_grad_(False)
        self.mean, self.teacher = running_mean(model, teacher)
        self.head_teacher = MeanTeacher(self.mean_heads, self.heads, teacher)
        self.thresholds = ThresholdSearch(low, high)
        self.pool, self.cam, self.auxiliary, self.energy, self.contrast = pool, cam, auxiliary, energy, contrast
        self.search, self.perplexity, self.refine = search, perplexity, refine
        self.deployed = "teacher" if deploy_teacher else self.deployed

    def activate(
        self, levels: tuple[Any, ...], elements: Elements, batch: Batch, progress: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the losses of the tags and the activation of the main head at the elements."""
        tags, losses = self.tags(batch), {}
        names = {"tags": 1.0, "auxiliary_tags": self.auxiliary}
        for (name, size), head, level in zip(names.items(), self.heads, self._seen(levels), strict=False):
            scores = pooled_scores(head(rows_of(level)), sample_of(level), batch.n_samples, self.pool)
            losses[name] = size * self.tag_loss(scores, tags)
        return losses, self._activation(self.heads[0], levels[-1], batch.inputs, tags)

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        levels = self.network.encode(batch.inputs, self.stride)
        elements = self.network.decode(levels, position=batch.position, color=batch.color)
        losses, _ = self.activate(levels, elements, batch, progress)
        losses |= labeled_losses(elements, batch.labels, batch.weights)
        ramp = linear_ramp(progress, self.warmup, self.ramp)
        if ramp == 0:
            return losses
        activations, target, tokens = self._assigned(batch)
        if self.search and self.training:
            self.thresholds.update(activations[0].amax(dim=1))
        if self.weight > 0:
            parts = [self._taught(elements.logits, activation, batch) for activation in activations]
            losses["seen_cross_entropy"] = ramp * self.weight * torch.stack(parts).mean()
        if self.cam > 0:
            maps = interpolated(self.heads[0](rows_of(levels[-1])), levels[-1], batch.inputs)
            own, wanted = exact(maps[:, self.objects]).relu(), target[:, self.objects]
            losses["cam"] = ramp * self.cam * F.binary_cross_entropy_with_logits(own, wanted)
        if self.energy > 0:
            losses["energy"] = ramp * self.energy * dense_energy(elements.logits, batch.color, neighbors(batch))
        if self.contrast > 0:
            labels, sure = self._labels(tokens)
            labels = torch.where(sure >= CERTAIN, labels, IGNORE)
            losses["contrast"] = ramp * self.contrast * label_info_nce(rows_of(self._seen(levels)[-1]), labels)
        return losses

    def after_step(self, step: int) -> None:
        self.teacher.update()
        self.head_teacher.update()

    def _seen(self, levels: tuple[Any, ...]) -> list[Level]:
        """The level below each head, the main one first."""
        return list(levels[: -1 - len(self.heads) : -1])

    def _activation(self, head: nn.Module, level: Any, fine: Any, tags: Tensor) -> Tensor:
        """The activation (E, K) by a head on a level at the voxels or pixels of the level ``fine``."""
        maps = exact(head(rows_of(level)))
        return interpolated(activation_of_maps(maps, sample_of(level), tags), level, fine)

    @torch.no_grad()
    def _assigned(self, batch: Batch) -> tuple[list[Tensor], Tensor, Tensor]:
        """What the assignment network sees: the activations (E, K) of its heads at the elements, its probabilities
        (E, K), sharp, and the activation (N, K) of its main head on the level that contrast is on.
        """
        tags, network = self.tags(batch), self.mean.eval()
        levels = network.encode(batch.inputs, self.stride)
        logits = network.decode(levels, position=batch.position, color=batch.color).logits
        seen = self._seen(levels)
        found = [
            self._activation(head, level, batch.inputs, tags) for head, level in zip(self.mean_heads, seen, strict=True)
        ]
        if self.refine > 0:
            found = [adaptive_refinement(x, batch.color, neighbors(batch), self.refine) for x in found]
        allowed = tags.clone()
        if self.background is not None:
            allowed[:, self.background] = True
        scores = torch.where(allowed[batch.sample], exact(logits), -1e5)
        target = (scores / SHARPNESS).softmax(dim=1) * allowed[batch.sample]
        return found, target, self._activation(self.mean_heads[0], levels[-1], seen[-1], tags)

    def _labels(self, activation: Tensor) -> tuple[Tensor, Tensor]:
        """The labels (E,) of an activation (E, K), and the certainty (E,) of each."""
        low, high = self.thresholds.low, self.thresholds.high
        labels = labels_of_activation(activation, float(high), float(low), self.background)
        return labels, certainty(activation.amax(dim=1), low, high)

    def _taught(self, logits: Tensor, activation: Tensor, batch: Batch) -> Tensor:
        """The cross-entropy of scores with the labels of an activation, objects and background half each."""
        labels, sure = self._labels(activation)
        labels = torch.where(batch.labels == IGNORE, labels, IGNORE)
        weights = sure if self.perplexity else None
        if self.background is None:
            return cross_entropy(logits, labels, weights)
        behind = labels == self.background
        parts = [cross_entropy(logits, torch.where(own, labels, IGNORE), weights) for own in (behind, ~behind)]
        return torch.stack(parts).mean()
