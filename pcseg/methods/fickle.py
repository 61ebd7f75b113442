"""FickleNet: the tags are told from random parts of the surroundings of each element, so that all parts are learned."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pcseg.activation.aggregate import aggregated
from pcseg.activation.cam import activation_of_maps
from pcseg.checks import from_zero_to_one
from pcseg.elements import Elements
from pcseg.feeding.batch import Batch
from pcseg.methods.tag_method import TagMethod
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.nn.fickle import FickleConv, kernel_pairs
from pcseg.nn.levels import sample_of
from pcseg.ops import segment_mean
from pcseg.sparse.sizes import check_sizes


class FickleNet(TagMethod):
    """FickleNet (arXiv 1902.10421): pixels or points, tags of each sample.

    On the encoder level of ``stride`` (0: the coarsest) stands one convolution of ``kernel``, of which each pass drops
    other pairs of rows with probability ``drop`` and never a center (:class:`pcseg.nn.fickle.FickleConv`); the mean of
    its outputs over a sample tells the tags.

    Loss: binary cross-entropy of one pass with the tags + the cross-entropies of :class:`TagMethod`. Activation:
    Grad-CAM of ``passes`` passes, each over its maximum, put together at ``threshold``
    (:func:`pcseg.activation.aggregate.aggregated`). Before it is learned from it is one pass in training. Raises
    InputError for values out of range.
    """

    def __init__(
        self,
        model: Model,
        kernel: int = 9,
        drop: float = 0.9,
        passes: int = 20,
        threshold: float = 0.35,
        weight: float = 1.0,
        high: float = 0.35,
        low: float = 0.2,
        background: str | None = None,
        stride: int = 0,
        warmup: float = 0.3,
        ramp: float = 0.2,
    ) -> None:
        super().__init__(model, weight, high, low, background, stride, warmup, ramp)
        check_sizes("FickleNet", passes=passes)
        from_zero_to_one(threshold=threshold)
        self.passes, self.threshold = passes, threshold
        self.score = FickleConv(isinstance(model.inputs, ImageInputs), self.channels, self.n_classes, kernel, drop)

    def activate(
        self, levels: tuple[Any, ...], elements: Elements, batch: Batch, progress: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        level, tags, sample = levels[-1], self.tags(batch), sample_of(levels[-1])
        whole = kernel_pairs(level, self.score.kernel)
        losses = {"tags": self.tag_loss(segment_mean(self.score(level, whole), sample, batch.n_samples), tags)}
        unread = self.training and (self.weight == 0 or progress <= self.warmup)
        passes = range(1 if unread else self.passes)
        seen = (activation_of_maps(self.score.given(level, whole), sample, tags) for _ in passes)
        return losses, self.at_elements(aggregated(seen, self.threshold), levels, batch)
