"""The state of an optimizer comes back whole, and a damaged one is refused in one line."""

from __future__ import annotations

import json

import pytest
import torch

from pcseg.errors import InputError
from pcseg.model.optimizer_state import optimizer_tensors, restore_optimizer


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_an_optimizer_goes_on_where_it_was(kind):
    def stepped(parameter: torch.Tensor, optimizer: torch.optim.Optimizer, steps: int) -> torch.Tensor:
        for _ in range(steps):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            optimizer.step()
        return parameter.detach().clone()

    extra = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    one = torch.nn.Parameter(torch.arange(3.0))
    first = kind([one], lr=0.1, **extra)
    half = stepped(one, first, 3)
    tensors, rest = optimizer_tensors(first)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    two = torch.nn.Parameter(half)
    second = kind([two], lr=99.0, **extra)
    restore_optimizer(second, tensors, json.loads(json.dumps(rest)))
    assert torch.equal(stepped(two, second, 3), stepped(one, first, 3))


@pytest.mark.parametrize(
    ("tensors", "rest"),
    [
        ({}, {}),
        ({"x.exp_avg": torch.zeros(3)}, {"values": {}, "groups": []}),
        ({}, {"values": {}, "groups": []}),
        ({}, {"values": [], "groups": None}),
        ({}, {"values": {}, "groups": [{"params": [0, 1, 2]}]}),
        ({}, {"values": {"1" * 5000 + ".a": 1}, "groups": []}),
        ({}, {"values": {}, "groups": [7]}),
    ],
)
def test_a_damaged_optimizer_state_is_one_line(tensors, rest):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(3))])
    with pytest.raises(InputError, match="resume: the optimizer's state does not fit") as caught:
        restore_optimizer(optimizer, tensors, rest)
    assert str(caught.value).isprintable()
