"""The threshold that follows a teacher's confidence, why it filters nothing, and the floor that does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcseg.errors import InputError
from pcseg.pseudo.dynamic_threshold import DynamicThreshold, dynamic_threshold


def teacher(seed: int, sharpness: float, count: int = 4000, n_classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Confidence of decisions (E,) and which are right: as often as their confidence says."""
    rng = np.random.default_rng(seed)
    scores = sharpness * rng.normal(size=(count, n_classes))
    probability = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    confidence = probability.max(axis=1)
    right = rng.random(count) < confidence
    return torch.from_numpy(confidence.astype(np.float32)), torch.from_numpy(right)


def test_with_the_published_numbers_its_range_is_a_sliver() -> None:
    """.281 to .337 over all that a mean confidence can be; as far as it goes below .3 it is cut."""
    means = torch.tensor([0.25, 0.5, 0.75, 0.9, 0.99])
    uncut = 0.6 / (1 + torch.exp(-0.5 * (means - 0.5)))
    torch.testing.assert_close(uncut, torch.tensor([0.281, 0.300, 0.319, 0.330, 0.337]), rtol=0, atol=5e-4)
    torch.testing.assert_close(dynamic_threshold(means), uncut.clamp(min=0.3))
    assert (dynamic_threshold(torch.linspace(0, 1, 50)) <= 0.338).all()
    wide = dynamic_threshold(means, base=0.9, beta=5.0)
    torch.testing.assert_close(wide[[0, -1]], torch.tensor([0.3, 0.8]))


@pytest.mark.parametrize("sharpness", [1.0, 3.0, 9.0])
def test_the_floor_keeps_fewer_decisions_and_more_precise_ones(sharpness: float) -> None:
    """Of teachers that are unsure, sure and very sure; the published rule keeps all but a few of the first's."""
    kept, precision = [], []
    for floor in (0.0, 0.95):
        rule = DynamicThreshold(floor=floor)
        for step in range(5):
            confidence, right = teacher(step, sharpness)
            rule.update(confidence)
        accepted = rule(confidence)
        kept.append(float(accepted.float().mean()))
        precision.append(float(right[accepted].float().mean()))
    assert kept[0] > 0.97
    assert kept[1] < kept[0] - 0.05
    assert precision[1] > precision[0] + 0.02


def test_accepts_what_is_above_the_larger_of_threshold_and_floor() -> None:
    rule = DynamicThreshold(floor=0.5, momentum=0.9)
    rule.update(torch.full((3,), 0.8))
    assert float(rule.mean) == pytest.approx(0.8)
    rule.update(torch.tensor([1.0, 0.6]))
    assert float(rule.mean) == pytest.approx(0.8)
    rule.update(torch.tensor([0.3]))
    assert float(rule.mean) == pytest.approx(0.75)
    rule.update(torch.zeros(0))
    assert float(rule.mean) == pytest.approx(0.75)
    confidence = torch.tensor([0.374, 0.376, 0.9, 0.1])
    assert rule(confidence).tolist() == [False, True, True, False]
    assert DynamicThreshold()(torch.tensor([0.3, 0.31, 0.9])).tolist() == [False, True, True]


@pytest.mark.parametrize("wrong", [{"base": -1.0}, {"beta": -0.5}, {"floor": 1.5}, {"momentum": 1.0}])
def test_numbers_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        DynamicThreshold(**wrong)
