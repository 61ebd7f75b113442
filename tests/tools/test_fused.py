"""Optimizers that update all weights in one pass: as good as weight by weight, whenever gradients come."""

from __future__ import annotations

from functools import reduce

import pytest
import torch

from pcseg.model.optimizer_state import optimizer_tensors, restore_optimizer
from tests.tools._runs import ROOT


@pytest.fixture
def fused(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from _training import FUSED

    return [reduce(getattr, name.split(".")[1:], torch) for name in FUSED]


def stepped(kind, stop, **options):
    """Return weights after six steps, of which the second has no gradient before the third; begun anew at ``stop``."""
    weights = [torch.linspace(-1, 1, 40).reshape(8, 5).requires_grad_(), torch.ones(3, requires_grad=True)]
    optimizer = kind(weights, lr=0.1, weight_decay=0.02, **options)
    for step in range(6):
        if step == stop:
            saved = optimizer_tensors(optimizer)
            optimizer = kind(weights, lr=0.1, weight_decay=0.02, **options)
            restore_optimizer(optimizer, *saved)
        for i, weight in enumerate(weights):
            weight.grad = None if step < 3 * i else torch.sin(weight.detach() * 3 + step)
        optimizer.step()
    return [weight.detach() for weight in weights]


@pytest.mark.parametrize("stop", [None, 1, 3, 5])
def test_they_do_what_the_others_do(fused, stop):
    assert fused
    for kind in fused:
        torch.testing.assert_close(stepped(kind, stop, fused=True), stepped(kind, None))
        assert all(map(torch.equal, stepped(kind, stop, fused=True), stepped(kind, None, fused=True)))
