"""Contrast by labels: by hand, who takes part, and what has neither loss nor gradient."""

from __future__ import annotations

import math

import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.losses.label_contrast import label_info_nce


def by_hand(feats: torch.Tensor, labels: list[int], temperature: float) -> float:
    unit = [[v / math.hypot(*row) for v in row] for row in feats.tolist()]
    known = [i for i, label in enumerate(labels) if label != IGNORE]
    score = {
        (i, j): sum(a * b for a, b in zip(unit[i], unit[j], strict=True)) / temperature for i in known for j in known
    }
    found = []
    for i in known:
        against = sum(math.exp(score[i, n]) for n in known if labels[n] != labels[i])
        own = [j for j in known if j != i and labels[j] == labels[i]]
        found += [-math.log(math.exp(score[i, j]) / (math.exp(score[i, j]) + against)) for j in own]
    return sum(found) / len(found)


def test_is_the_mean_over_pairs_by_hand() -> None:
    feats = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    labels = [0, 1, 0, IGNORE, 2, 1, 0]
    expected = by_hand(feats, labels, 0.5)
    assert float(label_info_nce(feats, torch.tensor(labels), 0.5)) == pytest.approx(expected, rel=1e-5)
    scaled = label_info_nce(feats * torch.arange(1, 8)[:, None], torch.tensor(labels), 0.5)
    assert float(scaled) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("labels", [[IGNORE] * 3, [0, 1, 2], [1, 1, 1], [1, IGNORE, IGNORE]])
def test_without_pairs_or_others_there_is_neither_loss_nor_gradient(labels: list[int]) -> None:
    feats = torch.randn(3, 4, requires_grad=True)
    loss = label_info_nce(feats, torch.tensor(labels))
    loss.backward()
    assert float(loss.detach()) == 0
    assert feats.grad is not None
    assert float(feats.grad.abs().max()) == 0


def test_classes_come_apart() -> None:
    feats = torch.randn(20, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    labels = torch.arange(20) % 2
    for _ in range(50):
        (gradient,) = torch.autograd.grad(label_info_nce(feats, labels), feats)
        feats = (feats - gradient).detach().requires_grad_()
    unit = torch.nn.functional.normalize(feats.detach(), dim=1)
    cosine, same = unit @ unit.T, labels[:, None] == labels
    assert float(cosine[same].min()) > float(cosine[~same].max())


def test_numbers_out_of_range() -> None:
    for wrong in ({"temperature": 0.0}, {"max_elements": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            label_info_nce(torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64), **wrong)  # type: ignore[arg-type]
