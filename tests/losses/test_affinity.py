"""Pairs of labeled elements: their loss, its bound, and what it does to features."""

from __future__ import annotations

import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.losses import pair_affinity
from tests.oracles import losses as oracle


def elements(n: int = 30, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    feats = torch.randn(n, 5, dtype=torch.float64, generator=generator)
    return feats, torch.randint(-1, 3, (n,), generator=generator), torch.rand(n, generator=generator).double()


@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_mean_over_pairs(weighted: bool) -> None:
    feats, labels, weights = elements()
    counted = weights if weighted else torch.ones_like(weights)
    wanted = oracle.affinity(feats.numpy(), labels.numpy(), counted.numpy())
    found = pair_affinity(feats, labels, weights if weighted else None)
    assert found.item() == pytest.approx(wanted, rel=1e-10)
    assert torch.autograd.gradcheck(lambda f: pair_affinity(f, labels), feats.requires_grad_())


def test_elements_without_a_label_could_hold_anything() -> None:
    feats, labels, weights = elements()
    nothing = labels == IGNORE
    poisoned = torch.where(nothing[:, None], torch.nan, feats), labels, torch.where(nothing, torch.nan, weights)
    torch.testing.assert_close(pair_affinity(*poisoned), pair_affinity(feats, labels, weights))


@pytest.mark.parametrize("count", [0, 1])
def test_without_pairs_it_is_zero(count: int) -> None:
    feats = torch.zeros(4, 5, requires_grad=True)
    value = pair_affinity(feats, torch.tensor([0, *[IGNORE] * 3]) if count else torch.full((4,), IGNORE))
    value.backward()
    assert value.item() == 0
    assert feats.grad is not None
    assert (feats.grad == 0).all()


def test_pairs_are_bounded_and_drawn_by_the_generator() -> None:
    feats, labels, _ = elements(4000)
    leaf = feats.requires_grad_()
    pair_affinity(leaf, labels, None, 50, torch.Generator().manual_seed(0)).backward()
    assert leaf.grad is not None
    assert (leaf.grad.abs().sum(1) > 0).sum() == 50
    values = [pair_affinity(feats, labels, None, 50, torch.Generator().manual_seed(s)).item() for s in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    with pytest.raises(InputError, match="max_elements=1"):
        pair_affinity(feats, labels, None, 1)


def test_descent_gathers_classes_and_parts_them() -> None:
    feats, labels, _ = elements()
    leaf = feats.clone().requires_grad_()
    optimizer = torch.optim.Adam([leaf], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        pair_affinity(leaf, labels).backward()
        optimizer.step()
    known = labels != IGNORE
    unit = torch.nn.functional.normalize(leaf.detach()[known], dim=1)
    cosine, same = unit @ unit.T, labels[known, None] == labels[known]
    assert cosine[same].min() > 0.8
    assert cosine[~same].max() < 0.2
    assert torch.equal(leaf.detach()[~known], feats[~known])
