"""The energy of neighbors that differ: by hand, its ends, and where its gradient leads."""

from __future__ import annotations

import math

import pytest
import torch

from pcseg.losses.dense_energy import dense_energy


def test_is_the_sum_over_pairs_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    color = torch.tensor([[0.5, 0.5, 0.5], [0.5, 0.5, 0.6], [0.1, 0.5, 0.5]])
    pairs = torch.tensor([[0, 1], [1, 2]])
    share = [[math.exp(v) / sum(math.exp(w) for w in row) for v in row] for row in logits.tolist()]
    expected = 0.0
    for i, j in ((0, 1), (1, 2)):
        square = sum((a - b) ** 2 for a, b in zip(color[i].tolist(), color[j].tolist(), strict=True))
        apart = sum(p * (1 - q) + q * (1 - p) for p, q in zip(share[i], share[j], strict=True)) / 2
        expected += math.exp(-square / (2 * 0.2**2)) * apart / 2
    assert float(dense_energy(logits, color, pairs, 0.2)) == pytest.approx(expected, rel=1e-5)


def test_is_0_for_sure_neighbors_of_one_class_and_1_for_those_of_two() -> None:
    logits, color = 99 * torch.tensor([[1.0, 0], [1, 0], [0, 1]]), torch.zeros(3, 3)
    assert float(dense_energy(logits, color, torch.tensor([[0], [1]]))) == pytest.approx(0, abs=1e-6)
    assert float(dense_energy(logits, color, torch.tensor([[0], [2]]))) == pytest.approx(1)
    color[2] = 1.0
    assert float(dense_energy(logits, color, torch.tensor([[0], [2]]))) < 1e-6
    assert float(dense_energy(logits, color, torch.zeros(2, 0, dtype=torch.int64))) == 0


def test_its_gradient_leads_the_unsure_to_their_neighbor() -> None:
    logits = torch.tensor([[0.0, 0.0], [3.0, 0.0]], requires_grad=True)
    dense_energy(logits, torch.zeros(2, 3), torch.tensor([[0], [1]])).backward()
    assert logits.grad is not None
    assert float(logits.grad[0, 0]) < 0 < float(logits.grad[0, 1])
