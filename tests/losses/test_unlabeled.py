"""Losses on elements without a label."""

from __future__ import annotations

import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.losses import entropy, soft_cross_entropy
from tests.oracles import losses as oracle


def elements(n: int = 20, k: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    scores, logits = torch.randn(2, n, k, dtype=torch.float64, generator=generator).unbind()
    return scores, logits, torch.randint(-1, 2, (n,), generator=generator)


def test_they_are_the_papers() -> None:
    scores, logits, labels = elements()
    scores[:, 2] = -torch.inf  # a class that was not met
    wanted = oracle.alignment(scores.numpy(), logits.numpy(), labels.numpy())
    assert soft_cross_entropy(scores, logits, labels).item() == pytest.approx(wanted, rel=1e-12)
    wanted = oracle.alignment(logits.numpy(), logits.numpy(), labels.numpy())
    assert entropy(logits, labels).item() == pytest.approx(wanted, rel=1e-12)


def test_gradients_reach_both_sides_and_no_labeled_element() -> None:
    scores, logits, labels = (x.requires_grad_() if x.is_floating_point() else x for x in elements())
    assert torch.autograd.gradcheck(lambda s, z: soft_cross_entropy(s, z, labels), (scores, logits))
    soft_cross_entropy(scores, logits, labels).backward()
    for side in (scores, logits):
        assert side.grad is not None
        assert torch.equal(side.grad.abs().sum(1) > 0, labels == IGNORE)


def test_range_and_direction() -> None:
    labels = torch.full((3,), IGNORE)
    assert entropy(torch.zeros(3, 4), labels).item() == pytest.approx(torch.tensor(4.0).log().item())
    logits = torch.tensor([[2.0, 1, 0]] * 3, requires_grad=True)
    entropy(logits, labels).backward()
    assert logits.grad is not None
    assert (logits.grad[:, 0] < 0).all(), "descent makes the largest score larger"


@pytest.mark.parametrize("n", [0, 5])
def test_where_all_elements_are_labeled_they_are_zero(n: int) -> None:
    logits = torch.randn(n, 3, requires_grad=True)
    value = entropy(logits, torch.zeros(n, dtype=torch.long))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_half_precision_is_taken_in_float32() -> None:
    scores, logits, labels = (x.bfloat16() if x.is_floating_point() else x for x in elements())
    value = soft_cross_entropy(scores, logits, labels)
    torch.testing.assert_close(value, soft_cross_entropy(scores.float(), logits.float(), labels), rtol=0, atol=0)
    assert value.dtype == torch.float32
