"""Grouping of tokens: the dense formula, one group each, gradients to all groups."""

from __future__ import annotations

import math

import pytest
import torch

from pcseg.errors import InputError
from pcseg.nn.grouping import Grouping, straight_through


def made(groups: int = 3) -> Grouping:
    torch.manual_seed(0)
    return Grouping(4, groups).eval()


def test_one_hot_with_the_gradient_of_the_shares() -> None:
    scores = torch.randn(6, 3, requires_grad=True)
    wanted = torch.randn(6, 3)
    soft = scores.softmax(dim=1)
    found = straight_through(soft)
    assert torch.equal(found.detach().round(), torch.nn.functional.one_hot(soft.argmax(1), 3).float())
    (through,) = torch.autograd.grad((found * wanted).sum(), scores, retain_graph=True)
    (plain,) = torch.autograd.grad((soft * wanted).sum(), scores)
    torch.testing.assert_close(through, plain)


def test_a_segment_is_its_group_and_what_its_tokens_add() -> None:
    layer, tokens, sample = made(), torch.randn(7, 4), torch.tensor([1, 0, 1, 1, 0, 1, 1])
    segments, assignment = layer(tokens, sample, 3)
    seen = layer.norm(tokens)
    scores = layer.key(seen) @ layer.query(layer.group_norm(layer.groups)).T / math.sqrt(4)
    torch.testing.assert_close(assignment, scores.softmax(dim=1))
    for b in range(3):
        for g in range(3):
            own = [n for n in range(7) if sample[n] == b and int(scores[n].argmax()) == g]
            total = sum((layer.value(seen[n]) for n in own), torch.zeros(4)) / (len(own) + 1)
            torch.testing.assert_close(segments[b, g], layer.groups[g] + layer.out(total))


def test_gradients_reach_groups_without_a_token() -> None:
    layer, tokens = made(5), torch.randn(2, 4)
    layer(tokens, torch.zeros(2, dtype=torch.int64), 1)[0].square().sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in layer.parameters())


def test_noise_is_for_training_alone() -> None:
    layer, tokens, sample = made(), torch.randn(50, 4), torch.zeros(50, dtype=torch.int64)
    assert torch.equal(layer(tokens, sample, 1)[0], layer(tokens, sample, 1)[0])
    layer.train()
    assert not torch.equal(layer(tokens, sample, 1)[0], layer(tokens, sample, 1)[0])
    assert torch.equal(layer(tokens, sample, 1)[1], layer.eval()(tokens, sample, 1)[1])
    with pytest.raises(InputError, match="groups=0"):
        Grouping(4, 0)
