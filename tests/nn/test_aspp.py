"""Atrous pyramids: each branch reaches exactly its rate, and the pooled one the whole image but no other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.nn.aspp import AtrousPyramid, PooledPyramid


def seen(out: Tensor, x: Tensor, row: int, column: int) -> set[tuple[int, int]]:
    """Offsets of the pixels of the first image that all channels of ``out`` at a pixel depend on."""
    (gradient,) = torch.autograd.grad(out[0, :, row, column].sum(), x, retain_graph=True)
    assert not gradient[1:].any()
    return {(int(r) - row, int(c) - column) for r, c in gradient[0].abs().sum(0).nonzero()}


def nine(rate: int) -> set[tuple[int, int]]:
    return {(r, c) for r in (-rate, 0, rate) for c in (-rate, 0, rate)}


def test_each_rate_is_a_branch_that_reaches_it() -> None:
    torch.manual_seed(0)
    pyramid = AtrousPyramid(3, 16, (2, 3, 5)).eval()
    x = torch.randn(2, 3, 13, 15, requires_grad=True)
    out = pyramid(x)
    assert out.shape == (2, 48, 13, 15)
    for part, rate in zip(out.split(16, dim=1), (2, 3, 5), strict=True):
        assert seen(part, x, 6, 7) == nine(rate)
    assert seen(out, x, 6, 7) == nine(2) | nine(3) | nine(5)


def test_one_classifier_of_all_branches_adds_the_scores_of_one_each() -> None:
    pyramid = AtrousPyramid(3, 4).eval()
    classifiers = [nn.Conv2d(4, 5, 1) for _ in range(4)]
    x = torch.randn(1, 3, 9, 9)
    added = sum(classifier(branch(x)) for classifier, branch in zip(classifiers, pyramid.branches, strict=True))
    weight = torch.cat([classifier.weight for classifier in classifiers], dim=1)
    one = F.conv2d(pyramid(x), weight, torch.stack([classifier.bias for classifier in classifiers]).sum(0))
    torch.testing.assert_close(one, added)


def test_the_pooled_pyramid_sees_its_own_image() -> None:
    torch.manual_seed(0)
    pyramid = PooledPyramid(3, 32, (2, 4)).eval()
    x = torch.randn(2, 3, 12, 10, requires_grad=True)
    out = pyramid(x)
    assert out.shape == (2, 32, 12, 10)
    assert len(seen(out, x, 5, 5)) == 120
    for branch, offsets in zip(pyramid.branches, ({(0, 0)}, nine(2), nine(4)), strict=True):
        assert seen(branch(x), x, 5, 5) == offsets


def test_a_single_image_can_be_pooled_in_training() -> None:
    pyramid = PooledPyramid(3, 4, (1, 2))
    for size in ((1, 3, 5, 4), (1, 3, 1, 1)):
        pyramid(torch.randn(size)).sum().backward()
    assert all(p.grad.isfinite().all() for p in pyramid.parameters())
