"""A block of attention between tokens: the dense formula, samples apart, order, and tokens that look at others."""

from __future__ import annotations

import math

import pytest
import torch

from pcseg.errors import InputError
from pcseg.nn.tokens import TokenBlock

SAMPLE = torch.tensor([1, 0, 1, 1, 0])


def block(channels: int = 6) -> TokenBlock:
    torch.manual_seed(0)
    return TokenBlock(channels)


def test_is_the_dense_formula_sample_by_sample() -> None:
    layer, tokens = block(), torch.randn(5, 6)
    normed = layer.norm(tokens)
    query, key, value = (of(normed) for of in (layer.query, layer.key, layer.value))
    scores = (query @ key.T / math.sqrt(6)).masked_fill(SAMPLE[:, None] != SAMPLE, -torch.inf)
    seen = tokens + layer.out(scores.softmax(dim=1) @ value)
    expected = seen + layer.layers(layer.last_norm(seen))
    torch.testing.assert_close(layer(tokens, SAMPLE), expected)


def test_order_changes_nothing_and_samples_do_not_meet() -> None:
    layer, tokens = block(), torch.randn(5, 6)
    found, order = layer(tokens, SAMPLE), torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(layer(tokens[order], SAMPLE[order]), found[order])
    changed = tokens.clone()
    changed[1] += 1
    same = SAMPLE == 1
    torch.testing.assert_close(layer(changed, SAMPLE)[same], found[same])


def test_tokens_look_at_the_rows_of_their_sample() -> None:
    layer, tokens, source = block(), torch.randn(5, 6), torch.randn(3, 6)
    of = torch.tensor([1, 1, 2])
    found = layer(tokens, SAMPLE, source, of)
    more = layer(tokens, SAMPLE, source + torch.tensor([[1.0], [0], [5]]) * torch.randn(6), of)
    assert torch.equal(found[SAMPLE == 0], more[SAMPLE == 0]), "nothing to look at"
    assert not torch.allclose(found[SAMPLE == 1], more[SAMPLE == 1])
    assert layer(torch.zeros(0, 6), SAMPLE[:0]).shape == (0, 6)
    with pytest.raises(InputError, match="channels=0"):
        TokenBlock(0)
