"""Losses for the agreement of two predictions of the same elements; without given labels."""

from __future__ import annotations

from torch import Tensor

from pcseg.exact import cross_entropies, softmax


def squared_probability_distance(logits: Tensor, other: Tensor) -> Tensor:
    """Return ``mean_e sum_k (softmax(logits)_ek - softmax(other)_ek)^2`` of two predictions (E, K), in [0, 2].

    The consistency of dense supervision propagation (arXiv 2107.11267): on probabilities, mean over
    elements, sum over classes, so its size compares with a cross-entropy. Computed in float32 or float64; gradients
    reach both sides (detach one to make it a target). Without elements it is 0.
    """
    distance = (softmax(logits) - softmax(other)).square().sum(dim=1)
    return distance.sum() / max(len(distance), 1)


def pseudo_label_cross_entropy(logits: Tensor, labels: Tensor, confidence: Tensor) -> Tensor:
    """Return ``sum_m confidence_m ce_m / M``: the cross-entropy of M predictions with the decisions of a teacher.

    ``logits`` (M, K), ``labels`` (M,) int64, ``confidence`` (M,) in [0, 1], 0 for a decision that is not trusted. The
    mean is over all of them (FixMatch, arXiv 2001.07685, Eq. 4): the fewer are trusted, the less it weighs. Computed in
    float32 or float64. Without predictions it is 0.
    """
    loss = cross_entropies(logits, labels)
    return (confidence.to(loss.dtype) * loss).sum() / max(len(loss), 1)
