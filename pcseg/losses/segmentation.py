"""Losses on labeled elements; elements labeled IGNORE are left out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.elements import Elements
from pcseg.exact import cross_entropies, softmax
from pcseg.losses.means import weighted_mean

AUXILIARY = 0.4
"""Weight of the cross-entropy of auxiliary scores."""


def segmentation_losses(
    logits: Tensor, labels: Tensor, lovasz: float = 0.0, weights: Tensor | None = None
) -> dict[str, Tensor]:
    """Return ``cross_entropy`` and, if the weight ``lovasz`` is above 0, the weighted ``lovasz``."""
    losses = {"cross_entropy": cross_entropy(logits, labels, weights)}
    if lovasz > 0:
        losses["lovasz"] = lovasz * lovasz_softmax(logits, labels, weights)
    return losses


def labeled_losses(
    elements: Elements, labels: Tensor, weights: Tensor | None = None, lovasz: float = 0.0
) -> dict[str, Tensor]:
    """Return :func:`segmentation_losses` of the scores, and :func:`auxiliary_losses`."""
    losses = segmentation_losses(elements.logits, labels, lovasz, weights)
    return losses | auxiliary_losses(elements, labels, weights)


def auxiliary_losses(elements: Elements, labels: Tensor, weights: Tensor | None = None) -> dict[str, Tensor]:
    """Return the cross-entropy of auxiliary scores by name, where a network has some, at AUXILIARY.

    These are ``outputs`` (E, K) whose names begin with "aux" (arXiv 1909.11065, Section 4.1).
    """
    scores = {name: value for name, value in elements.outputs.items() if name.startswith("aux")}
    return {name: AUXILIARY * cross_entropy(value, labels, weights) for name, value in scores.items()}


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean cross-entropy over the labeled elements of ``logits`` (E, K), ``labels`` (E,) int64.

    With ``weights`` (E,), the confidence of the labels, it is the weighted mean sum_e w_e ce_e / sum_e w_e. Computed in
    float32 or float64. Without labels, or with weights of 0 alone, the loss and its gradient are 0.
    """
    if weights is None:
        return cross_entropies(logits, labels).sum() / (labels != IGNORE).sum().clamp(min=1)
    return labeled_mean(cross_entropies(logits, labels), labels, weights)


def labeled_mean(values: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean over the labeled elements of ``values`` (E,), weighted by ``weights`` (E,) where given.

    Values and weights of elements labeled IGNORE may be anything, even NaN. Without labels, or with weights of 0 alone,
    it is 0.
    """
    known = labels != IGNORE
    share = known if weights is None else torch.where(known, weights, 0)
    return weighted_mean(torch.where(known, values, 0), share)


def lovasz_softmax(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the Lovasz-softmax loss (arXiv 1705.08790, Eq. 11), mean over the classes of the labeled elements.

    ``logits`` (E, K), ``labels`` (E,) int64. It is the convex extension of 1 - IoU of each class, equal to it where all
    probabilities are 0 or 1. With ``weights`` (E,) the IoU is that of weighted elements: an element of weight 2 counts
    as two of weight 1. Without labels the loss and its gradient are 0.
    """
    known = labels != IGNORE
    probability = softmax(logits[known])
    truth = F.one_hot(labels[known], logits.shape[1]).to(probability.dtype)
    error, order = (truth - probability).abs().sort(dim=0, descending=True)
    hit, miss = truth, 1 - truth
    if weights is not None:
        hit, miss = (of * weights[known, None].to(of.dtype) for of in (hit, miss))
    growth = _jaccard_gradient(hit.gather(0, order), miss.gather(0, order))
    present = hit.any(dim=0)
    return ((error * growth).sum(dim=0) * present).sum() / present.sum().clamp(min=1)


def _jaccard_gradient(hit: Tensor, miss: Tensor) -> Tensor:
    """Return the growth (E, K) of 1 - IoU of each class with each mistake, elements by falling error (Eq. 9).

    An element counts as ``hit`` (E, K) in the classes that it is of and as ``miss`` (E, K) in the others.
    """
    total = hit.sum(dim=0)
    union = total + miss.cumsum(dim=0)
    jaccard = 1 - (total - hit.cumsum(dim=0)) / union.clamp(min=torch.finfo(union.dtype).tiny)
    return torch.diff(jaccard, dim=0, prepend=jaccard.new_zeros(1, jaccard.shape[1]))
