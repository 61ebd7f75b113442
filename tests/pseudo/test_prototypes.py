"""Momentum prototypes: their recursion, and that learning from their soft labels pulls features together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.losses import soft_cross_entropy
from pcseg.pseudo.prototypes import Prototypes


def test_they_are_running_means_of_classes() -> None:
    """Against the recursion in numpy: a class keeps its mean while it is not there; the first batch sets it."""
    rng = np.random.default_rng(0)
    prototypes, wanted = Prototypes(4, 5, momentum=0.9), np.zeros((4, 5))
    met: set[int] = set()
    for step in range(6):
        feats, weights = rng.normal(size=(30, 5)), rng.random(30)
        labels = rng.integers(-1, 1 + min(step, 2), 30)
        for k in set(labels.tolist()) - {IGNORE}:
            rows = labels == k
            now = (feats[rows] * weights[rows, None]).sum(0) / weights[rows].sum()
            wanted[k] = 0.9 * wanted[k] + 0.1 * now if k in met else now
            met.add(k)
        feats[labels == IGNORE] = np.nan
        prototypes.update(torch.from_numpy(feats), torch.from_numpy(labels), torch.from_numpy(weights))
    np.testing.assert_allclose(prototypes.mean.numpy(), wanted, rtol=1e-4, atol=1e-5)
    assert prototypes.met.tolist() == [True, True, True, False]


def test_scores_are_cosines_and_only_classes_that_were_met_take_part() -> None:
    prototypes = Prototypes(3, 2, temperature=0.5)
    feats = torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    assert prototypes(feats).tolist() == [[0, 0, 0]] * 2
    prototypes.update(torch.tensor([[2.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 2]))
    root = 2 * 0.5**0.5
    wanted = torch.tensor([[2, -torch.inf, 0], [root, -torch.inf, root]])
    torch.testing.assert_close(prototypes(feats), wanted)


def test_a_weight_of_zero_is_no_label() -> None:
    prototypes = Prototypes(2, 2)
    prototypes.update(torch.ones(1, 2), torch.tensor([0]), torch.zeros(1))
    prototypes.update(torch.ones(0, 2), torch.empty(0, dtype=torch.long))
    assert not prototypes.met.any()


@pytest.mark.parametrize(("momentum", "temperature"), [(1.0, 0.1), (-0.1, 0.1), (0.9, 0.0)])
def test_numbers_out_of_range(momentum: float, temperature: float) -> None:
    with pytest.raises(InputError, match="momentum="):
        Prototypes(2, 2, momentum, temperature)


def test_alignment_moves_unlabeled_features_to_a_prototype_and_predictions_with_them() -> None:
    """The mean largest cosine grows, and features and predictions come to agree without any label."""
    torch.manual_seed(0)
    prototypes = Prototypes(3, 4)
    prototypes.update(torch.eye(3, 4), torch.arange(3))
    feats = (torch.eye(3, 4)[torch.arange(60) % 3] + 0.7 * torch.randn(60, 4)).requires_grad_()
    logits, labels = (0.1 * torch.randn(60, 3)).requires_grad_(), torch.full((60,), IGNORE)
    optimizer = torch.optim.Adam([feats, logits], lr=0.02)

    def nearness() -> float:
        return float(prototypes(feats.detach()).amax(1).mean()) * prototypes.temperature

    before = nearness()
    for _ in range(100):
        optimizer.zero_grad()
        soft_cross_entropy(prototypes(feats), logits, labels).backward()
        optimizer.step()
    assert nearness() > before + 0.05
    assert (logits.argmax(1) == prototypes(feats).argmax(1)).float().mean() > 0.9
