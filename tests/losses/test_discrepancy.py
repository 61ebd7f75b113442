"""The loss that keeps features of two networks apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcseg.losses.discrepancy import cosine_discrepancy


def test_parallel_orthogonal_and_opposite_features() -> None:
    one = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    assert cosine_discrepancy(one, 5 * one).item() == pytest.approx(2)
    assert cosine_discrepancy(one, one.flip(0)).item() == pytest.approx(1)
    assert cosine_discrepancy(one, -one).item() == pytest.approx(0)


def test_equals_the_mean_cosine_written_out() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 30, 7, dtype=torch.float64, generator=generator).unbind()
    a, b = one.numpy(), other.numpy()
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine_discrepancy(one, other).item() == pytest.approx(1 + cosine.mean(), rel=1e-12)


def test_each_side_gets_half_of_the_gradient_of_the_cosine() -> None:
    one, other = (torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    found = torch.autograd.grad(cosine_discrepancy(one, other), (one, other))
    cosine = (one * other).sum(1) / one.norm(dim=1) / other.norm(dim=1)
    wanted = torch.autograd.grad(0.5 * cosine.mean(), (one, other))
    torch.testing.assert_close(found, wanted)


def test_features_of_zeros_and_no_rows_are_finite() -> None:
    nothing = torch.zeros(3, 4, requires_grad=True)
    value = cosine_discrepancy(nothing, torch.ones(3, 4))
    value.backward()
    assert value.item() == pytest.approx(1)
    assert nothing.grad is not None
    assert bool(nothing.grad.isfinite().all())
    assert cosine_discrepancy(nothing[:0], nothing[:0]).item() == 0
    assert cosine_discrepancy(torch.ones(2, 3).bfloat16(), torch.ones(2, 3).bfloat16()).dtype == torch.float32
