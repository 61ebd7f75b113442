"""Contrast and restoration against sums written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcseg.errors import InputError
from pcseg.losses import draw_pairs, info_nce, restoration


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("temperature", [0.07, 0.4, 2.0])
def test_info_nce_is_the_sum_over_pairs(temperature: float) -> None:
    first, second = normal(0, 7, 5), normal(1, 7, 5)
    a, b = first.numpy(), second.numpy()
    total = 0.0
    for i in range(7):
        scores = [a[i] @ b[j] / np.linalg.norm(a[i]) / np.linalg.norm(b[j]) / temperature for j in range(7)]
        total -= np.log(np.exp(scores[i]) / np.exp(scores).sum())
    assert float(info_nce(first, second, temperature)) == pytest.approx(total / 7, rel=1e-12)
    half = info_nce(first.bfloat16(), second.bfloat16(), temperature)
    assert half.dtype == torch.float32
    assert float(half) == pytest.approx(total / 7, rel=0.05)  # features of 8 bits


def test_info_nce_falls_where_pairs_come_together_and_others_apart() -> None:
    first = normal(0, 30, 8).requires_grad_()
    before = info_nce(first, normal(1, 30, 8))
    assert float(before.detach()) > float(info_nce(first, first).detach())
    (gradient,) = torch.autograd.grad(before, first)
    assert float(info_nce(first - 5 * gradient, normal(1, 30, 8)).detach()) < float(before.detach())


def test_without_pairs_or_length_the_gradient_is_finite() -> None:
    for n, scale in ((0, 1.0), (1, 1.0), (3, 0.0)):
        first = (scale * normal(0, n, 4)).requires_grad_()
        loss = info_nce(first, normal(1, n, 4))
        loss.backward()
        assert first.grad is not None
        assert bool(first.grad.isfinite().all())
        if n < 2:
            assert float(loss.detach()) == pytest.approx(0, abs=1e-12)
    with pytest.raises(InputError, match="temperature=0: give a number above 0"):
        info_nce(first, first, 0.0)


def test_pairs_are_matches_with_no_element_twice() -> None:
    torch.manual_seed(0)
    matches = torch.stack([torch.randint(20, (200,)), torch.randint(20, 40, (200,))]).unique(dim=1)
    drawn = [draw_pairs(matches, 12) for _ in range(2)]
    known = set(map(tuple, matches.T.tolist()))
    for pairs in drawn:
        assert pairs.shape == (2, 12)
        assert set(map(tuple, pairs.T.tolist())) <= known
        assert all(len(row.unique()) == 12 for row in pairs)
    assert not torch.equal(*drawn)
    assert draw_pairs(matches, 1000).shape[1] <= 20  # there are 20 elements on each side
    assert draw_pairs(matches[:, :0], 5).shape == (2, 0)
    with pytest.raises(InputError, match="pairs=0"):
        draw_pairs(matches, 0)


def test_restoration_is_the_mean_over_masked_elements_in_units_of_each_channel() -> None:
    feats = normal(0, 50, 3) * torch.tensor([1.0, 100.0, 0.01]) + 7
    restored, masked = normal(1, 50, 3), normal(2, 50) > 0
    x = feats.numpy()
    target = (x - x.mean(0)) / np.maximum(x.std(0), 1e-3)
    wanted = np.mean([np.mean((restored.numpy()[e] - target[e]) ** 2) for e in np.flatnonzero(masked.numpy())])
    assert float(restoration(restored, feats, masked)) == pytest.approx(wanted)
    everywhere = torch.ones(50, dtype=torch.bool)
    assert float(restoration(torch.zeros(50, 3), feats, everywhere)) == pytest.approx(1.0)
    assert float(restoration(torch.zeros(50, 2), torch.full((50, 2), 3.0), everywhere)) == 0.0  # constant channels
    assert float(restoration(restored, feats, ~everywhere)) == 0.0
