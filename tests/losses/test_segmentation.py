"""Label losses: known values, and elements labeled IGNORE."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.classes import IGNORE
from pcseg.elements import Elements
from pcseg.losses import (
    cross_entropy,
    labeled_losses,
    lovasz_softmax,
    segmentation_losses,
    symmetric_cross_entropy,
    truncated_cross_entropy,
)

LOSSES = [cross_entropy, lovasz_softmax, symmetric_cross_entropy, truncated_cross_entropy]


def logits_of(n: int, k: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, k, dtype=torch.float64, generator=generator).requires_grad_()


def test_cross_entropy_is_the_mean_over_labeled_elements():
    logits = logits_of(5, 3)
    labels = torch.tensor([2, IGNORE, 0, IGNORE, 1])
    by_hand = -torch.stack([logits.log_softmax(1)[e, k] for e, k in ((0, 2), (2, 0), (4, 1))]).mean()
    torch.testing.assert_close(cross_entropy(logits, labels), by_hand)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n", [0, 4])
def test_without_a_label_the_loss_is_a_finite_zero_with_zero_gradient(loss, n):
    logits = logits_of(n, 3)
    value = loss(logits, torch.full((n,), IGNORE))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_one_label_moves_one_row_only(loss):
    logits = logits_of(6, 3)
    labels = torch.full((6,), IGNORE)
    labels[2] = 1
    loss(logits, labels).backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum(dim=1).nonzero().flatten().tolist() == [2]
    assert logits.grad[2, 1] < 0 < logits.grad[2, 0]


@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100))
def test_ignored_elements_could_hold_anything(loss, seed):
    logits = logits_of(12, 4, seed)
    labels = torch.randint(-1, 4, (12,), generator=torch.Generator().manual_seed(seed))
    poisoned = torch.where((labels == IGNORE)[:, None], torch.full_like(logits, 1e30), logits)
    torch.testing.assert_close(loss(poisoned, labels), loss(logits, labels))
    torch.testing.assert_close(loss(logits[labels != IGNORE], labels[labels != IGNORE]), loss(logits, labels))


def test_lovasz_at_hard_predictions_is_one_minus_the_mean_iou():
    """Checked for each assignment of 3 classes to 4 elements, with probabilities 0 and 1."""
    labels = torch.tensor([0, 0, 1, 2])
    for guess in itertools.product(range(3), repeat=4):
        predicted = torch.tensor(guess)
        logits = 200.0 * torch.nn.functional.one_hot(predicted, 3).double()
        ious = [
            int(((predicted == k) & (labels == k)).sum()) / int(((predicted == k) | (labels == k)).sum())
            for k in range(3)
        ]
        assert lovasz_softmax(logits, labels).item() == pytest.approx(1 - sum(ious) / 3, abs=1e-9)


def test_lovasz_averages_over_the_classes_present():
    logits = 200.0 * torch.eye(3)[[0, 1, 1, 1]]
    assert lovasz_softmax(logits, torch.tensor([1, 1, 1, 1])).item() == pytest.approx(0.25)


def test_lovasz_gradient():
    assert torch.autograd.gradcheck(lambda z: lovasz_softmax(z, torch.tensor([0, 1, 2, IGNORE, 1])), logits_of(5, 3))


def test_half_precision_logits_are_taken_in_float32():
    logits = torch.randn(50, 5).bfloat16()
    labels = torch.randint(0, 5, (50,))
    for loss in LOSSES:
        value = loss(logits, labels)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, loss(logits.float(), labels), rtol=0, atol=0)


def test_named_losses_are_weighted():
    logits, labels = logits_of(5, 3), torch.tensor([0, 1, IGNORE, 2, 2])
    assert segmentation_losses(logits, labels).keys() == {"cross_entropy"}
    both = segmentation_losses(logits, labels, lovasz=0.5)
    torch.testing.assert_close(both["lovasz"], 0.5 * lovasz_softmax(logits, labels))


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_one_change_nothing(loss):
    logits, labels = logits_of(30, 4), torch.randint(-1, 4, (30,), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss(logits, labels, torch.ones(30)), loss(logits, labels))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_whole_weight_is_that_many_elements(loss):
    """Also where the weights of elements without a label are NaN."""
    generator = torch.Generator().manual_seed(0)
    logits, labels = logits_of(30, 4), torch.randint(-1, 4, (30,), generator=generator)
    times = torch.randint(0, 4, (30,), generator=generator)
    wanted = loss(logits.repeat_interleave(times, 0), labels.repeat_interleave(times))
    weights = torch.where(labels == IGNORE, torch.nan, times)
    torch.testing.assert_close(loss(logits, labels, weights), wanted)


def test_weighted_cross_entropy_is_the_weighted_mean():
    logits, labels, weights = logits_of(4, 3), torch.tensor([2, IGNORE, 0, 1]), torch.tensor([0.5, 9.0, 0.25, 1.0])
    log = torch.log_softmax(logits, 1)
    by_hand = -(0.5 * log[0, 2] + 0.25 * log[2, 0] + log[3, 1]) / 1.75
    torch.testing.assert_close(cross_entropy(logits, labels, weights), by_hand)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_zero_are_no_label(loss):
    logits = logits_of(5, 3)
    value = loss(logits, torch.tensor([0, 1, 2, IGNORE, 0]), torch.zeros(5))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


def test_weighted_losses_in_half_precision():
    logits, labels, weights = torch.randn(50, 5).bfloat16(), torch.randint(0, 5, (50,)), torch.rand(50)
    both = segmentation_losses(logits, labels, 1.0, weights)
    assert both["cross_entropy"].dtype == both["lovasz"].dtype == torch.float32
    torch.testing.assert_close(both["lovasz"], lovasz_softmax(logits.float(), labels, weights), rtol=0, atol=0)


def test_auxiliary_scores_of_a_network_learn_the_labels_too() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, first, second = (torch.randn(20, 3, generator=generator) for _ in range(3))
    labels = torch.randint(-1, 3, (20,), generator=generator)
    nothing, outputs = torch.zeros(20, dtype=torch.int64), {"aux": first, "aux4": second, "projection": first}
    found = labeled_losses(Elements(logits, logits, nothing, logits, None, outputs), labels)
    known = labels >= 0
    assert found.keys() == {"cross_entropy", "aux", "aux4"}
    for name, scores, weight in (("cross_entropy", logits, 1.0), ("aux", first, 0.4), ("aux4", second, 0.4)):
        wanted = weight * torch.nn.functional.cross_entropy(scores[known], labels[known])
        torch.testing.assert_close(found[name], wanted)
