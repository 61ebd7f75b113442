"""Least squares to a critic and distances of made values, against sums written out."""

from __future__ import annotations

import torch

from pcseg.losses.adversarial import absolute_distance, least_squares

AMONG = torch.tensor([True, False, True])


def test_values_by_hand() -> None:
    scores = torch.tensor([[0.5], [9.0], [2.0]])
    assert float(least_squares(scores, 1.0, AMONG)) == (0.25 + 1.0) / 2
    assert float(least_squares(scores, 0.0, AMONG)) == (0.25 + 4.0) / 2
    made, true = torch.tensor([[1.0, 2.0], [7.0, 7.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0], [0.0, 0.0], [1.0, 0.0]])
    assert float(absolute_distance(made, true, AMONG)) == (1 + 2 + 1 + 0) / 4


def test_others_get_no_gradient_and_without_elements_it_is_zero() -> None:
    scores = torch.rand(3, 1, requires_grad=True)
    least_squares(scores, 1.0, AMONG).backward()
    assert scores.grad is not None
    assert scores.grad[1] == 0
    assert (scores.grad[[0, 2]] != 0).all()
    nobody = torch.zeros(3, dtype=torch.bool)
    assert float(least_squares(scores.detach(), 1.0, nobody)) == 0
    assert float(absolute_distance(scores.detach(), scores.detach() + 1, nobody)) == 0


def test_half_precision_is_summed_in_float32() -> None:
    scores = torch.full((5000, 1), 3.0, dtype=torch.float16)
    assert float(least_squares(scores, 0.0, torch.ones(5000, dtype=torch.bool))) == 9.0
