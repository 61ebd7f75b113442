"""Group-WSSS: samples that share a tag show each other what they have in common, which is what the tag names."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pcseg.activation.cam import TagHead, activation_of_maps
from pcseg.checks import at_least_zero
from pcseg.elements import Elements
from pcseg.feeding.batch import Batch
from pcseg.methods.tag_method import TagMethod
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.nn.level_layers import level_block
from pcseg.nn.levels import rows_of, sample_of
from pcseg.propagation.group_graph import GroupGraph, partners_of_tags
from pcseg.sparse.sizes import check_sizes


class GroupMining(TagMethod):
    """Group-wise semantic mining (Group-WSSS, arXiv 2012.05007): pixels or points, tags of each sample.

    Of a batch each sample has up to ``group`` - 1 partners that share a tag with it. The encoder level of ``stride``
    (0: the coarsest), brought to ``width`` channels, gives its first state; messages of its partners the last
    (:class:`pcseg.propagation.group_graph.GroupGraph` of ``rounds``). One linear map, whose mean over a sample tells
    its tags, scores both.

    Loss: ``early`` * binary cross-entropy of the first states with the tags + that of the last + the cross-entropies of
    :class:`TagMethod`. Activation: the mean of both maps. In the published code states are class maps; here they are
    features, as in the paper, so that an affinity has something to tell where there are few classes. Raises InputError
    for values out of range.
    """

    def __init__(
        self,
        model: Model,
        group: int = 3,
        rounds: int = 3,
        width: int = 64,
        early: float = 0.4,
        drop: float = 0.8,
        weight: float = 1.0,
        high: float = 0.5,
        low: float = 0.2,
        background: str | None = None,
        stride: int = 0,
        warmup: float = 0.3,
        ramp: float = 0.2,
    ) -> None:
        super().__init__(model, weight, high, low, background, stride, warmup, ramp)
        check_sizes("GroupMining", group=group)
        at_least_zero(early=early)
        self.group, self.early = group, early
        pixels = isinstance(model.inputs, ImageInputs)
        self.state = level_block(pixels, self.channels, width)
        self.graph = GroupGraph(pixels, width, rounds, drop)
        self.score = TagHead(width, self.n_classes)

    def activate(
        self, levels: tuple[Any, ...], elements: Elements, batch: Batch, progress: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        tags, first = self.tags(batch), self.state(levels[-1])
        last = self.graph(first, partners_of_tags(tags, self.group))
        sample, both = sample_of(first), [rows_of(first), rows_of(last)]
        early, late = (self.tag_loss(self.score(rows, sample, batch.n_samples), tags) for rows in both)
        maps = sum(rows.detach() @ self.score.weight.detach().T for rows in both)
        seen = activation_of_maps(maps, sample, tags)  # type: ignore[arg-type]
        return {"early_tags": self.early * early, "tags": late}, self.at_elements(seen, levels, batch)
