"""Contrast with captions: by hand, captions that say the same, samples without one."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from pcseg.losses.captions import caption_choice, caption_contrast


def test_different_captions_are_those_of_clip() -> None:
    generator = torch.Generator().manual_seed(0)
    one, two = torch.randn(5, 4, generator=generator), torch.randn(5, 4, generator=generator)
    cosine = F.normalize(one, dim=1) @ F.normalize(two, dim=1).T
    own = torch.arange(5)
    expected = (F.cross_entropy(7 * cosine, own) + F.cross_entropy(7 * cosine.T, own)) / 2
    torch.testing.assert_close(caption_contrast(one, two, 7.0), expected)
    nothing = torch.cat([two, torch.zeros(2, 4)])
    torch.testing.assert_close(caption_contrast(torch.cat([one, torch.randn(2, 4)]), nothing, 7.0), expected)


def test_equal_captions_share_the_target() -> None:
    """Two samples of one caption: the best there is gives either half, and neither repels the other."""
    captions = torch.tensor([[1.0, 0], [2, 0], [0, 1]])
    vectors = torch.tensor([[1.0, 0], [1, 0], [0, 1]], requires_grad=True)
    loss = caption_contrast(vectors, captions, 50.0)
    assert float(loss.detach()) == pytest.approx(2 / 3 * math.log(2), rel=1e-4)
    loss.backward()
    assert vectors.grad is not None
    assert float(vectors.grad.abs().max()) < 1e-5


def test_a_token_chooses_its_caption_among_those_near() -> None:
    captions = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [1, 0], [0, 0]])
    tokens = torch.tensor([[1.0, 1], [0, 2], [5, 5]])
    near = torch.tensor([[1, 1, 1, 0, 1], [0, 1, 0, 1, 0], [1, 1, 1, 1, 1]]).bool()
    root = 0.5**0.5
    first = -math.log(math.exp(3 * root) / (2 * math.exp(3 * root) + math.exp(-3 * root)))
    second = -math.log(1 / (1 + math.exp(3)))  # its own, number 0, is not near, but 3 says the same
    both = caption_choice(tokens[:2], captions, torch.tensor([0, 0]), near[:2], 3.0)
    assert float(both) == pytest.approx((first + second) / 2, rel=1e-5)
    with_empty = caption_choice(tokens, captions, torch.tensor([0, 0, 4]), near, 3.0)
    assert float(with_empty) == pytest.approx(float(both)), "a token without a caption does not count"


def test_without_captions_there_is_no_loss() -> None:
    vectors = torch.randn(3, 4, requires_grad=True)
    for loss in (
        caption_contrast(vectors, torch.zeros(3, 4), 5.0),
        caption_choice(vectors, torch.zeros(2, 4), torch.zeros(3, dtype=torch.int64), torch.ones(3, 2).bool(), 5.0),
    ):
        loss.backward()
        assert float(loss.detach()) == 0
