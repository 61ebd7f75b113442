"""The weighted mean that losses share."""

from __future__ import annotations

import torch

from pcseg.losses.means import weighted_mean


def test_it_is_the_weighted_mean_and_zero_without_weight() -> None:
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    torch.testing.assert_close(weighted_mean(values, torch.tensor([[1.0, 3.0], [0.0, 0.0]])), torch.tensor(1.75))
    torch.testing.assert_close(weighted_mean(values, values.detach() > 2), torch.tensor(3.5))
    nothing = weighted_mean(values, torch.zeros(2, 2))
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert values.grad is not None
    assert not values.grad.any()
