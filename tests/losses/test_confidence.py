"""The confidence-weighted loss on a teacher's decisions."""

from __future__ import annotations

import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.losses import cross_entropy
from pcseg.losses.confidence import confident_cross_entropy


def test_is_the_weighted_sum_over_the_number_of_trusted_decisions() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64)
    labels, confidence = torch.tensor([0, 2, IGNORE, 1]), torch.tensor([1.0, 0.5, 0.9, 0.25])
    log = logits.log_softmax(1)
    wanted = -(log[0, 0] + 0.5 * log[1, 2] + 0.25 * log[3, 1]) / 3
    torch.testing.assert_close(confident_cross_entropy(logits, labels, confidence), wanted)
    alike = confident_cross_entropy(logits, labels, torch.ones(4))
    torch.testing.assert_close(alike, cross_entropy(logits, labels))


def test_half_the_confidence_is_half_the_gradient_of_that_element_alone() -> None:
    logits, labels = torch.randn(5, 3, requires_grad=True), torch.tensor([0, 1, 2, 0, 1])
    confidence = torch.tensor([0.8, 0.6, 0.9, 0.5, 0.7])
    halved = confidence.clone()
    halved[2] /= 2
    before, after = (
        torch.autograd.grad(confident_cross_entropy(logits, labels, c), logits)[0] for c in (confidence, halved)
    )
    before[2] /= 2
    torch.testing.assert_close(after, before)


def test_no_trusted_decision_is_a_zero_with_gradient() -> None:
    logits = torch.randn(3, 2, requires_grad=True)
    for rows in (3, 0):
        value = confident_cross_entropy(logits[:rows], torch.full((rows,), IGNORE), torch.ones(rows))
        assert value.item() == 0
        assert not torch.autograd.grad(value, logits)[0].any()


def test_half_precision_is_taken_in_float32() -> None:
    logits, labels = torch.randn(6, 3).bfloat16(), torch.tensor([0, 1, 2, 0, 1, 2])
    found = confident_cross_entropy(logits, labels, torch.ones(6))
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(confident_cross_entropy(logits.float(), labels, torch.ones(6)).item())
