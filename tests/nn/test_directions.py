"""Features brought to length 1, with a gradient that is bounded at 0."""

from __future__ import annotations

import torch

from pcseg.nn.directions import SHORTEST, directions


def test_products_are_cosines_and_the_gradient_at_zero_is_bounded() -> None:
    feats = torch.tensor([[3.0, 4.0], [0.0, 0.0], [SHORTEST / 2, 0.0]], requires_grad=True)
    found = directions(feats)
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0.0, 0.0], [0.5, 0.0]]))
    found.sum().backward()
    assert feats.grad is not None
    assert float(feats.grad.abs().max()) <= 1 / SHORTEST * 1.001
    assert directions(feats.detach().expand(2, 3, 2)).shape == (2, 3, 2)
