"""Losses on elements without a label: predictions that are to be certain, or to agree with prototypes."""

from __future__ import annotations

from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.exact import log_softmax, softmax


def entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean entropy -sum_k p_k log p_k of the predictions of elements labeled IGNORE, in [0, log K].

    Entropy minimization (Grandvalet and Bengio, NIPS 2004). ``logits`` (E, K), ``labels`` (E,) int64. Where all
    elements are labeled it is 0. Of an untrained network it fixes random decisions: begin later than the labels do.
    """
    return soft_cross_entropy(logits, logits, labels)


def soft_cross_entropy(scores: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean of -sum_k q_k log p_k over elements labeled IGNORE, q = softmax(scores), p = softmax(logits).

    Both (E, K). It is the entropy of q plus the divergence of p from q: ERDA, entropy regularization and distribution
    alignment at its weight 1 (NeurIPS 2023, arXiv 2305.15832). ``scores`` are then those of momentum prototypes
    (:class:`pcseg.pseudo.prototypes.Prototypes`), of all elements, without a threshold, and gradients reach both sides.
    A score of -inf is a class that takes no part. Computed in float32 or float64. Where all elements are labeled it
    is 0.
    """
    unknown = labels == IGNORE
    return -(softmax(scores[unknown]) * log_softmax(logits[unknown])).sum() / unknown.sum().clamp(min=1)
