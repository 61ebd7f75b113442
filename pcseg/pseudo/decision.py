"""A network's decisions, and how sure it is of them."""

from __future__ import annotations

from torch import Tensor

from pcseg.exact import softmax


def decide(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probability (E,) of the most probable class of ``logits`` (E, K), and that class (E,) int64.

    Without gradients, in float32.
    """
    probability, decision = softmax(logits.detach().float()).max(dim=1)
    return probability, decision
