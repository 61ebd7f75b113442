"""The distance between the probabilities of two predictions, and the ramp of its weight."""

from __future__ import annotations

import pytest
import torch

from pcseg.losses import pseudo_label_cross_entropy, squared_probability_distance
from pcseg.schedules import linear_ramp
from tests.oracles import propagation as oracle


def test_equals_the_oracle_and_its_gradient_is_right():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 7, 4, dtype=torch.float64, generator=generator).unbind()
    value = squared_probability_distance(first, second)
    assert value.item() == pytest.approx(oracle.consistency(first.numpy(), second.numpy()), rel=1e-12)
    torch.testing.assert_close(squared_probability_distance(second, first), value)
    assert torch.autograd.gradcheck(squared_probability_distance, (first.requires_grad_(), second.requires_grad_()))


def test_range_from_agreement_to_opposite_certainty():
    certain = torch.tensor([[100.0, 0.0, 0.0]])
    assert squared_probability_distance(certain, certain + 3).item() == 0
    assert squared_probability_distance(certain, certain.roll(1)).item() == pytest.approx(2)


def test_no_element_is_a_zero_with_gradient():
    empty = torch.zeros(0, 3, requires_grad=True)
    value = squared_probability_distance(empty, empty)
    value.backward()
    assert value.item() == 0


def test_half_precision_logits_are_taken_in_float32():
    first, second = torch.randn(2, 50, 5).bfloat16().unbind()
    value = squared_probability_distance(first, second)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, squared_probability_distance(first.float(), second.float()), rtol=0, atol=0)


def test_decisions_count_by_their_confidence_among_all():
    logits, labels = torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 2, 1, 1])
    confidence = torch.tensor([1.0, 0.5, 0.0, 0.0])
    log = logits.log_softmax(1)
    value = pseudo_label_cross_entropy(logits, labels, confidence)
    torch.testing.assert_close(value, -(log[0, 0] + 0.5 * log[1, 2]) / 4)
    assert pseudo_label_cross_entropy(logits[:0], labels[:0], confidence[:0]).item() == 0
    half = pseudo_label_cross_entropy(logits.bfloat16(), labels, confidence)
    assert half.dtype == torch.float32


@pytest.mark.parametrize(
    ("progress", "start", "length", "expected"),
    [
        (0, 0, 0.1, 0),
        (0.1, 0.1, 0.1, 0),
        (0.15, 0.1, 0.1, 0.5),
        (0.2, 0.1, 0.1, 1),
        (1, 0.1, 0.1, 1),
        (0.11, 0.1, 0, 1),
    ],
)
def test_ramp(progress, start, length, expected):
    assert linear_ramp(progress, start, length) == pytest.approx(expected)
