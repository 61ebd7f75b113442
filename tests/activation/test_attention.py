"""Activation refined by attention: against a dense formula, sample by sample, and what it begins with."""

from __future__ import annotations

import math

import pytest
import torch

from pcseg.activation import ActivationAttention
from pcseg.errors import InputError

SAMPLE = torch.tensor([1, 0, 0, 1, 1, 0, 1, 1, 0])


def made(**options: int) -> tuple[ActivationAttention, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return ActivationAttention(4, 3, [0, 1, 2], width=6, **options), torch.rand(9, 3), torch.randn(9, 4)


def test_it_is_the_dense_formula_within_each_sample() -> None:
    module, activation, feats = made()
    found = module.refine(activation, feats, SAMPLE)
    for b in (0, 1):
        rows = b == SAMPLE
        scores = (feats[rows] @ module.query.weight.T) @ (feats[rows] @ module.key.weight.T).T
        wanted = (scores / math.sqrt(6)).softmax(dim=1) @ activation[rows] + activation[rows]
        torch.testing.assert_close(found[rows], wanted)


def test_keys_are_a_subset_and_all_elements_are_queries() -> None:
    module, activation, feats = made(max_nodes=1)
    torch.manual_seed(1)
    added = module.refine(activation, feats, SAMPLE) - activation
    for b in (0, 1):
        rows = b == SAMPLE
        torch.testing.assert_close(added[rows], added[rows][:1].expand(int(rows.sum()), -1))
        assert any(torch.allclose(added[rows][0], each, atol=1e-6) for each in activation[rows])


def test_scores_begin_as_the_activations_and_that_of_nothing() -> None:
    torch.manual_seed(0)
    module, activation, feats = ActivationAttention(4, 4, [1, 3]).eval(), torch.rand(9, 2), torch.randn(9, 4)
    refined = module.refine(activation, feats, SAMPLE)
    scores = module(activation, feats, SAMPLE) * math.sqrt(1 + module.norm.eps)
    torch.testing.assert_close(scores[:, [1, 3]], refined)
    nothing = 2 - refined.amax(dim=1)
    torch.testing.assert_close(scores[:, [0, 2]], torch.stack([nothing, nothing], dim=1))


def test_gradients_reach_all_of_it_and_sizes_are_checked() -> None:
    module, activation, feats = made()
    module(activation, feats, SAMPLE).square().sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    assert module(activation[:0], feats[:0], SAMPLE[:0]).shape == (0, 3)
    for wrong in ({"width": 0}, {"max_nodes": 0}, {"objects": []}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            ActivationAttention(4, 3, **{"objects": [0], **wrong})  # type: ignore[arg-type]
