"""Losses of a mask: by hand, and what they pull where."""

from __future__ import annotations

import math

import torch

from pcseg.losses.suppression import background_suppression, foreground_guidance


def test_suppression_is_the_share_of_the_score_that_is_left() -> None:
    erased = torch.tensor([1.0, -3.0, 5.0], requires_grad=True)
    whole = torch.tensor([4.0, 2.0, 2.0], requires_grad=True)
    loss = background_suppression(erased, whole)
    torch.testing.assert_close(loss, torch.tensor((0.25 + 0 + 1) / 3))
    loss.backward()
    torch.testing.assert_close(erased.grad, torch.tensor([1 / 12, 0.0, 0.0]))
    assert whole.grad is None


def test_a_score_of_nothing_gives_no_nan() -> None:
    zero = torch.zeros(2, requires_grad=True)
    loss = background_suppression(zero, torch.zeros(2))
    loss.backward()
    assert float(loss) == 0
    assert bool(zero.grad.isfinite().all())  # type: ignore[union-attr]
    assert float(background_suppression(torch.zeros(0), torch.zeros(0))) == 0


def test_guidance_is_the_cross_entropy_of_masked_means() -> None:
    maps = torch.tensor([[2.0, 0.0], [0.0, 4.0], [9.0, 9.0], [1.0, 3.0]], requires_grad=True)
    mask = torch.tensor([1.0, 0.5, 1.0, 0.5], requires_grad=True)
    sample = torch.tensor([0, 0, 1, 2])
    loss = foreground_guidance(maps, mask, sample, torch.tensor([0, 2]), torch.tensor([0, 1]))
    first = math.log(math.exp(1.0) + math.exp(1.0)) - 1.0  # mean of (2, 0) and (0, 2)
    second = math.log(math.exp(0.5) + math.exp(1.5)) - 1.5
    torch.testing.assert_close(loss, torch.tensor((first + second) / 2))
    loss.backward()
    assert maps.grad is None
    grad = mask.grad
    assert grad is not None
    assert grad[0] < 0  # more of what tells class 0
    assert grad[1] > 0  # less of the other
    assert grad[2] == 0  # a sample that does not count


def test_guidance_without_samples_is_nothing() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    mask = torch.ones(3, requires_grad=True)
    loss = foreground_guidance(torch.ones(3, 2), mask, torch.zeros(3, dtype=torch.int64), none, none)
    loss.backward()
    assert float(loss) == 0
