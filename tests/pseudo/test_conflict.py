"""Weights of the decisions of two networks where they differ."""

from __future__ import annotations

import torch

from pcseg.pseudo.conflict import conflict_weights


def scores(*rows: tuple[float, ...]) -> torch.Tensor:
    """Scores whose probabilities are ``rows``."""
    return torch.tensor(rows).log()


def test_only_sure_conflicts_change_weight() -> None:
    one = scores((0.95, 0.03, 0.02), (0.95, 0.03, 0.02), (0.6, 0.3, 0.1), (0.02, 0.95, 0.03))
    other = scores((0.1, 0.8, 0.1), (0.4, 0.3, 0.3), (0.1, 0.1, 0.8), (0.9, 0.05, 0.05))
    assert conflict_weights(one, other, 0.9, 2.0).tolist() == [2, 1, 1, 2]
    assert conflict_weights(other, one, 0.75, 3.0).tolist() == [3, 1, 3, 3]
    assert conflict_weights(one, other, 0.0, 2.0).tolist() == [2, 1, 2, 2]
    assert conflict_weights(one, other, 0.0, 1.0).tolist() == [1, 1, 1, 1]


def test_confidence_is_a_probability_and_not_a_score() -> None:
    """Scores above the threshold whose probability is not: the trap of the released code."""
    one, other = torch.tensor([[5.0, 4.9, 4.8]]), torch.tensor([[0.0, 1.0, 0.0]])
    assert conflict_weights(one, other, 0.9, 2.0).tolist() == [1]
    assert conflict_weights(one - 9, other, 0.3, 2.0).tolist() == [2]


def test_no_gradient_half_precision_and_no_elements() -> None:
    one = torch.randn(4, 3, requires_grad=True)
    assert not conflict_weights(one, one.flip(0), 0.5, 2.0).requires_grad
    assert conflict_weights(one.bfloat16(), one.flip(0), 0.5, 2.0).dtype == torch.float32
    assert conflict_weights(one[:0], one[:0], 0.5, 2.0).shape == (0,)
