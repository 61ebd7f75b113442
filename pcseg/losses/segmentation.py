"""Losses on labeled elements; those whose label is IGNORE take no part."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.classes import IGNORE


def segmentation_losses(logits: Tensor, labels: Tensor, lovasz: float = 0.0) -> dict[str, Tensor]:
    """The label losses every method starts from, named and weighted: ``cross_entropy`` and, above weight 0, ``lovasz``."""
    losses = {"cross_entropy": cross_entropy(logits, labels)}
    if lovasz > 0:
        losses["lovasz"] = lovasz * lovasz_softmax(logits, labels)
    return losses


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the labeled elements of ``logits`` (E, K), ``labels`` (E,) int64; in float32 or better.

    With no label at all the loss is 0 and so is its gradient.
    """
    total = F.cross_entropy(_exact(logits), labels, ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)


def lovasz_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """Lovasz-softmax loss (arXiv 1705.08790, Eq. 11), mean over the classes that occur among the labeled elements.

    ``logits`` (E, K), ``labels`` (E,) int64. It is the convex extension of 1 - IoU of each class: exactly that where
    the probabilities are 0 and 1. With no label at all the loss is 0 and so is its gradient.
    """
    known = labels != IGNORE
    probability = _exact(logits)[known].softmax(dim=1)
    truth = F.one_hot(labels[known], logits.shape[1]).to(probability.dtype)
    error, order = (truth - probability).abs().sort(dim=0, descending=True)
    weight = _jaccard_gradient(truth.gather(0, order))
    present = truth.any(dim=0)
    return ((error * weight).sum(dim=0) * present).sum() / present.sum().clamp(min=1)


def _jaccard_gradient(truth: Tensor) -> Tensor:
    """How much 1 - IoU of each class grows with each further mistake, elements (n, K) in order of falling error (Eq. 9)."""
    missed = truth.cumsum(dim=0)
    total = truth.sum(dim=0)
    union = total + (1 - truth).cumsum(dim=0)
    jaccard = 1 - (total - missed) / union.clamp(min=1)
    return torch.diff(jaccard, dim=0, prepend=jaccard.new_zeros(1, jaccard.shape[1]))


def _exact(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()
