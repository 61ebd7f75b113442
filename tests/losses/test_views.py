"""Distances to what a teacher tells of views, by hand."""

from __future__ import annotations

import pytest
import torch

from pcseg.losses.views import match_distance, multi_scale_distance

VIEWS = torch.tensor([[[1.0, 0], [0, 1], [2, 2]], [[5.0, 5], [0, 3], [0, 0]]])
PRESENT = torch.tensor([[True, True, False], [False, True, True]])


def test_the_whole_is_near_all_views() -> None:
    whole = torch.tensor([[1.0, 1], [0, 1]])
    assert float(multi_scale_distance(whole, VIEWS, PRESENT)) == pytest.approx((1 + 1 + 2 + 1) / 4)


def test_each_segment_is_near_one_view() -> None:
    segments = torch.tensor([[[2.0, 2], [0, 1]], [[0, 2], [1, 0]]])
    assert float(match_distance(segments, VIEWS, PRESENT)) == pytest.approx((3 + 0 + 1 + 1) / 4)
    one = match_distance(segments, VIEWS, torch.tensor([[False] * 3, [False, True, True]]))
    assert float(one) == pytest.approx(1)


def test_without_views_there_is_neither_loss_nor_gradient() -> None:
    segments, nothing = torch.randn(2, 4, 2, requires_grad=True), torch.zeros(2, 3, dtype=torch.bool)
    loss = match_distance(segments, VIEWS, nothing) + multi_scale_distance(segments[:, 0], VIEWS, nothing)
    loss.backward()
    assert float(loss.detach()) == 0
    assert segments.grad is not None
    assert float(segments.grad.abs().max()) == 0
