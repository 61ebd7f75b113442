"""AuxSegNet: tags, segmentation and saliency are learned together; the affinities of both tasks refine the labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.activation import cell_means
from pcseg.activation.cam import TagHead, class_activation
from pcseg.checks import from_zero_to_one
from pcseg.classes import IGNORE
from pcseg.elements import Elements
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import cross_entropy, labeled_losses
from pcseg.methods.tag_method import TagMethod
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.nn.level_layers import level_block
from pcseg.nn.levels import Level, rows_of, sample_of, with_rows
from pcseg.propagation.cross_task import CrossTaskAffinity, SampleAffinity, TaskAffinity, rows_and_nodes, spread
from pcseg.pseudo.saliency import fused_labels, saliency
from pcseg.schedules import linear_ramp


class AuxSegNet(TagMethod):
    """AuxSegNet (arXiv 2107.11787): pixels or points, tags of each sample.

    On the encoder level of ``stride`` (0: the coarsest) stand a classifier of tags and two branches of ``width``
    channels, of segmentation and of saliency: blocks at the first two ``dilations``, attention over at most
    ``max_nodes`` rows of the sample, a block at the third and a linear map. The affinities of both attentions, mixed
    (:class:`pcseg.propagation.cross_task.CrossTaskAffinity`), refine what both branches show.

    Loss: binary cross-entropy of the classifier with the tags, and of the first and of the refined saliency with that
    of :func:`pcseg.pseudo.saliency.saliency` + ``weight`` * ramp * cross-entropies of the first and of the refined
    segmentation, and of the network, with labels on which class activation and saliency agree
    (:func:`pcseg.pseudo.saliency.fused_labels` with ``high`` and ``salient``) + cross-entropy of given labels.

    From ``progress > update`` on, labels come of the mean of class activation and the refined, and of that of the
    refined saliency and the data's. In the paper that happens in four rounds between which labels stay, with a CRF and
    the refined activation alone; at each step, as here, that alone made the affinity flat: labels and affinity agree
    best where all elements are the same. Raises InputError for values out of range.
    """

    def __init__(
        self,
        model: Model,
        width: int = 128,
        dilations: Sequence[int] = (1, 2, 3),
        max_nodes: int = 1024,
        high: float = 0.3,
        salient: float = 0.5,
        update: float = 0.5,
        weight: float = 1.0,
        background: str | None = None,
        stride: int = 0,
        warmup: float = 0.3,
        ramp: float = 0.2,
    ) -> None:
        super().__init__(model, weight, high, 0.0, background, stride, warmup, ramp)
        from_zero_to_one(salient=salient, update=update)
        if len(dilations) != 3:
            raise InputError(f"dilations={list(dilations)}: give three")
        self.salient, self.update, self.max_nodes = salient, update, max_nodes
        pixels = isinstance(model.inputs, ImageInputs)
        self.head = TagHead(self.channels, self.n_classes)
        self.segmentation = Branch(pixels, self.channels, width, dilations, self.n_classes)
        self.saliency = Branch(pixels, self.channels, width, dilations, 1)
        self.cross = CrossTaskAffinity(tasks=2)

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        levels = self.network.encode(batch.inputs, self.stride)
        elements = self.network.decode(levels, position=batch.position, color=batch.color)
        losses, activation, salient = self.tasks(levels, batch, progress)
        losses |= labeled_losses(elements, batch.labels, batch.weights)
        weight = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        if weight > 0:
            activation, salient = (self.at_elements(x, levels, batch) for x in (activation, salient))
            found = self.fused(activation, salient)
            learned = cross_entropy(elements.logits, torch.where(batch.labels == IGNORE, found, IGNORE))
            losses["seen_cross_entropy"] = weight * learned
        return losses

    def activate(
        self, levels: tuple[Any, ...], elements: Elements, batch: Batch, progress: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        losses, activation, _ = self.tasks(levels, batch, progress)
        return losses, self.at_elements(activation, levels, batch)

    def tasks(self, levels: tuple[Any, ...], batch: Batch, progress: float) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return losses, and what labels come of: activation (N, K) and saliency (N, 1) of the last level's rows."""
        level, tags, given = levels[-1], self.tags(batch), saliency(batch)
        feats, sample = rows_of(level), sample_of(level)
        given = cell_means(with_rows(batch.inputs, given[:, None]), level)
        pairs = rows_and_nodes(sample, self.max_nodes)
        scores, own = self.segmentation(level, pairs)
        salient, other = self.saliency(level, pairs)
        mixed = self.cross(own, other)
        refined = spread(mixed, salient.sigmoid())
        tag_scores = self.head(F.dropout(feats, 0.5, self.training), sample, batch.n_samples)
        losses = {
            "tags": self.tag_loss(tag_scores, tags),
            "saliency": F.binary_cross_entropy_with_logits(salient.float(), given),
            "refined_saliency": F.binary_cross_entropy_with_logits(refined.logit(eps=1e-6), given),
        }
        seen = class_activation(feats.detach(), self.head.weight.detach(), sample, tags)
        apart = given
        if progress > self.update:
            seen = (spread(mixed, seen).detach() + seen) / 2
            apart = (refined.detach() + given) / 2
        weight = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        if weight > 0:
            labels = self.fused(seen, apart)
            losses["segmentation"] = weight * cross_entropy(scores, labels)
            shown = spread(mixed, scores.softmax(dim=1)).clamp(min=1e-6).log()
            losses["refined_segmentation"] = weight * cross_entropy(shown, labels)
        return losses, seen, apart

    def fused(self, activation: Tensor, salient: Tensor) -> Tensor:
        """Return the labels (E,) of ``activation`` (E, K) and saliency ``salient`` (E, 1)."""
        return fused_labels(activation, salient[:, 0], self.high, self.salient, self.background)


class Branch(nn.Module):
    """Scores (N, ``n_scores``) of the rows of a level, and the affinity of each sample that they are made with."""

    def __init__(self, pixels: bool, channels: int, width: int, dilations: Sequence[int], n_scores: int) -> None:
        super().__init__()
        first, second, third = dilations
        self.begin = nn.Sequential(
            level_block(pixels, channels, width, dilation=first), level_block(pixels, width, width, dilation=second)
        )
        self.affinity = TaskAffinity(width, width)
        self.end = level_block(pixels, width, width, dilation=third)
        self.score = nn.Linear(width, n_scores)

    def forward(self, level: Level, pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[SampleAffinity]]:
        state = self.begin(level)
        feats, affinity = self.affinity(rows_of(state), pairs)
        return self.score(rows_of(self.end(with_rows(state, feats)))), affinity
