"""Weights of decisions that another network does not share."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.pseudo.decision import decide


def conflict_weights(logits: Tensor, other: Tensor, threshold: float, weight: float) -> Tensor:
    """Return the weight (E,) of each decision of ``logits`` (E, K) as a label of another network.

    It is ``weight`` where that network, of scores ``other`` (E, K), decides differently and the probability of the
    decision is above ``threshold``, else 1 (conflict-based cross-view consistency, arXiv 2303.01276). (The released
    code compares the largest score in place of its probability with the threshold, which then lets nearly all conflicts
    pass.) No gradient.
    """
    probability, decision = decide(logits)
    conflict = (decision != other.argmax(dim=1)) & (probability > threshold)
    return torch.where(conflict, weight, torch.ones_like(probability))
