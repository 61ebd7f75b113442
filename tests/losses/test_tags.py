"""The classes of a sample, and those that it shares with its partner."""

from __future__ import annotations

import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.losses import intersection_class_loss, present_classes
from pcseg.losses.tags import tag_cross_entropy
from tests.oracles import losses as oracle


def test_present_classes_are_those_with_a_label() -> None:
    labels, sample = torch.tensor([0, IGNORE, 2, 2, IGNORE]), torch.tensor([0, 0, 0, 2, 1])
    assert present_classes(labels, sample, 3, 3).int().tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]


def test_the_target_is_what_both_have() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(40, 3, dtype=torch.float64, generator=generator)
    sample, partner = torch.randint(4, (40,), generator=generator), torch.tensor([1, 0, 3, 2])
    tags = torch.tensor([[1, 1, 0], [1, 0, 1], [0, 1, 1], [0, 1, 1]]).bool()
    shared = torch.tensor([[1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 1, 1]]).numpy()
    wanted = oracle.class_presence(logits.numpy(), sample.numpy(), shared)
    assert intersection_class_loss(logits, sample, tags, partner).item() == pytest.approx(wanted, rel=1e-12)


def test_every_element_of_a_sample_is_moved_towards_its_shared_classes() -> None:
    logits = torch.zeros(6, 2, requires_grad=True)
    sample, tags = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([[True, True], [True, False]])
    intersection_class_loss(logits, sample, tags, torch.tensor([1, 0])).backward()
    assert logits.grad is not None
    assert (logits.grad[:, 0] < 0).all()
    assert (logits.grad[:, 1] > 0).all()
    torch.testing.assert_close(logits.grad[:, 1], -0.3 * logits.grad[:, 0])


def test_classes_without_a_tag_may_weigh_less() -> None:
    scores = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    tags = torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]]).bool()
    p = scores.sigmoid()
    each = torch.where(tags, -p.log(), -0.3 * (1 - p).log())
    torch.testing.assert_close(tag_cross_entropy(scores, tags, absent=0.3), each.mean())
    whole = torch.where(tags, -p.log(), -(1 - p).log())
    torch.testing.assert_close(tag_cross_entropy(scores, tags), whole.mean())
    assert tag_cross_entropy(scores[:0], tags[:0]) == 0
