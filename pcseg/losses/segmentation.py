"""Losses on labeled elements; elements labeled IGNORE are left out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.classes import IGNORE


def segmentation_losses(logits: Tensor, labels: Tensor, lovasz: float = 0.0) -> dict[str, Tensor]:
    """Return ``cross_entropy`` and, if the weight ``lovasz`` is above 0, the weighted ``lovasz``."""
    losses = {"cross_entropy": cross_entropy(logits, labels)}
    if lovasz > 0:
        losses["lovasz"] = lovasz * lovasz_softmax(logits, labels)
    return losses


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy over the labeled elements of ``logits`` (E, K), ``labels`` (E,) int64.

    Computed in float32 or float64. Without labels the loss and its gradient are 0.
    """
    total = F.cross_entropy(_exact(logits), labels, ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)


def lovasz_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the Lovasz-softmax loss (arXiv 1705.08790, Eq. 11), mean over the classes of the labeled elements.

    ``logits`` (E, K), ``labels`` (E,) int64. It is the convex extension of 1 - IoU of each class, equal to it where all
    probabilities are 0 or 1. Without labels the loss and its gradient are 0.
    """
    known = labels != IGNORE
    probability = _exact(logits)[known].softmax(dim=1)
    truth = F.one_hot(labels[known], logits.shape[1]).to(probability.dtype)
    error, order = (truth - probability).abs().sort(dim=0, descending=True)
    weight = _jaccard_gradient(truth.gather(0, order))
    present = truth.any(dim=0)
    return ((error * weight).sum(dim=0) * present).sum() / present.sum().clamp(min=1)


def _jaccard_gradient(truth: Tensor) -> Tensor:
    """Return the growth (E, K) of 1 - IoU of each class with each mistake, elements by falling error (Eq. 9)."""
    missed = truth.cumsum(dim=0)
    total = truth.sum(dim=0)
    union = total + (1 - truth).cumsum(dim=0)
    jaccard = 1 - (total - missed) / union.clamp(min=1)
    return torch.diff(jaccard, dim=0, prepend=jaccard.new_zeros(1, jaccard.shape[1]))


def _exact(logits: Tensor) -> Tensor:
    """Return ``logits`` in float32, or as they are in float64."""
    return logits if logits.dtype == torch.float64 else logits.float()
