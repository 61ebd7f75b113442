"""Base of the methods that learn from tags: class activation becomes labels that the network learns at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pcseg.activation import interpolated
from pcseg.checks import at_least_zero, from_zero_to_one, one_of
from pcseg.classes import IGNORE
from pcseg.elements import Elements
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import cross_entropy, labeled_losses
from pcseg.losses.tags import tag_cross_entropy
from pcseg.methods.base import Method
from pcseg.model.model import Model
from pcseg.networks.protocol import check_levels
from pcseg.pseudo.tag_labels import labels_of_activation
from pcseg.schedules import linear_ramp


class TagMethod(Method):
    """Base: a subclass gives ``activate``, the losses it learns tags by and what it then sees of each class where.

    Loss: those + cross-entropy of the labels that are given, if any + ``weight`` * ramp * cross-entropy of the labels
    of the activation (:func:`pcseg.pseudo.tag_labels.labels_of_activation` with ``high`` and ``low``) where none is
    given. ``background``: the class, if any, that has no tag, since it is wherever no other is; without it all classes
    are on equal terms and what is seen badly stays unlabeled. ``stride``: the encoder level of ``levels``, 0: the
    coarsest. The weight acts from ``progress > warmup`` on and grows over ``ramp``, both shares of the stage. Raises
    InputError for values out of range, and for a network that cannot be cut.
    """

    needs = frozenset({"tags"})
    reads_tags = True

    def __init__(
        self,
        model: Model,
        weight: float,
        high: float,
        low: float,
        background: str | None,
        stride: int,
        warmup: float,
        ramp: float,
    ) -> None:
        super().__init__(model)
        at_least_zero(weight=weight, warmup=warmup, ramp=ramp)
        from_zero_to_one(high=high, low=low)
        if low > high:
            raise InputError(f"low={low}: is above high={high}; give a smaller one")
        if background is not None:
            one_of("background", background, model.classes.names)
        check_levels(type(self).__name__, self.network)
        self.weight, self.high, self.low, self.warmup, self.ramp = weight, high, low, warmup, ramp
        self.stride: int = stride or self.network.strides[-1]
        self.channels: int = self.network.channels_at(self.stride)
        self.n_classes = len(model.classes)
        self.background = None if background is None else model.classes.index(background)
        self.objects = [number for number in range(self.n_classes) if number != self.background]

    def activate(
        self, levels: tuple[Any, ...], elements: Elements, batch: Batch, progress: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return named losses and the activation (E, K) in [0, 1] of the elements, 0 for classes without a tag.

        ``levels`` are those of the encoder up to ``stride``, ``elements`` the output of the network. Of the activation
        only the values are used.
        """
        raise NotImplementedError

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        levels = self.network.encode(batch.inputs, self.stride)
        elements = self.network.decode(levels, position=batch.position, color=batch.color)
        losses, activation = self.activate(levels, elements, batch, progress)
        losses |= labeled_losses(elements, batch.labels, batch.weights)
        weight = self.weight * linear_ramp(progress, self.warmup, self.ramp)
        if weight > 0:
            losses["seen_cross_entropy"] = weight * self.learned(elements.logits, activation.detach(), batch)
        return losses

    def learned(self, logits: Tensor, activation: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy of the labels of the activation, where no label is given."""
        found = labels_of_activation(activation, self.high, self.low, self.background)
        return cross_entropy(logits, torch.where(batch.labels == IGNORE, found, IGNORE))

    def at_elements(self, activation: Tensor, levels: tuple[Any, ...], batch: Batch) -> Tensor:
        """Return the activation (E, K) of the elements from that (N, K) of the rows of the last of ``levels``."""
        return interpolated(activation, levels[-1], batch.inputs)

    def tags(self, batch: Batch) -> Tensor:
        """Return the tags (B, K) bool of a batch, none of the background."""
        assert batch.tags is not None
        tags = torch.zeros_like(batch.tags)
        tags[:, self.objects] = batch.tags[:, self.objects]
        return tags

    def tag_loss(self, scores: Tensor, tags: Tensor) -> Tensor:
        """Return the binary cross-entropy of the scores (B, K) of samples with ``tags`` (B, K), background aside."""
        return tag_cross_entropy(scores[:, self.objects], tags[:, self.objects])
