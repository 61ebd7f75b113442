"""Losses for the agreement of two predictions of the same elements; without labels."""

from __future__ import annotations

import torch
from torch import Tensor


def squared_probability_distance(logits: Tensor, other: Tensor) -> Tensor:
    """Return ``mean_e sum_k (softmax(logits)_ek - softmax(other)_ek)^2`` of two predictions (E, K), in [0, 2].

    The consistency of dense supervision propagation (arXiv 2107.11267): on probabilities, mean over
    elements, sum over classes, so its size compares with a cross-entropy. Computed in float32 or float64; gradients
    reach both sides (detach one to make it a target). Without elements it is 0.
    """
    first, second = (x if x.dtype == torch.float64 else x.float() for x in (logits, other))
    distance = (first.softmax(dim=1) - second.softmax(dim=1)).square().sum(dim=1)
    return distance.sum() / max(len(distance), 1)
