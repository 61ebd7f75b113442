"""Thresholds that follow activation as it drifts, and the weight of labels by their distance to a threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pcseg.errors import InputError
from pcseg.pseudo.gmm import ThresholdSearch, certainty, gaussian_mixture


def drawn(rng: np.random.Generator, behind: float, front: float, count: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations (n,) of background around one number and of objects around another, and which are objects."""
    values = np.concatenate([rng.normal(behind, 0.07, count // 2), rng.normal(front, 0.07, count // 2)]).clip(0, 1)
    return torch.from_numpy(values.astype(np.float32)), torch.arange(count) >= count // 2


def test_a_mixture_finds_what_was_drawn() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(m, s, n) for m, s, n in ((5, 0.5, 900), (0, 0.3, 300), (2.5, 0.4, 600))])
    found = gaussian_mixture(torch.from_numpy(values), torch.tensor([values.min(), np.median(values), values.max()]))
    truth = np.repeat([2, 0, 1], [900, 300, 600])
    assert (found.numpy() == truth).mean() > 0.98
    assert found.dtype == torch.int64


def test_thresholds_are_the_edges_of_the_outer_components() -> None:
    """Three heaps far apart: the largest value of the lowest, the smallest of the highest, at once without momentum."""
    heaps = torch.cat([torch.linspace(0.1, 0.2, 100), torch.linspace(0.4, 0.5, 100), torch.linspace(0.8, 0.9, 100)])
    search = ThresholdSearch(momentum=0.0)
    search.update(torch.cat([heaps, torch.zeros(1000)]))
    step = 0.1 / 99
    assert float(search.low) == pytest.approx(0.2, abs=2 * step)
    assert float(search.high) == pytest.approx(0.8, abs=2 * step)
    slow = ThresholdSearch(momentum=0.9)
    slow.update(heaps)
    assert float(slow.low) == pytest.approx(0.9 * 0.25 + 0.1 * float(search.low), abs=1e-3)
    assert float(slow.high) == pytest.approx(0.9 * 0.7 + 0.1 * float(search.high), abs=1e-3)


def test_few_values_or_none_move_nothing() -> None:
    search = ThresholdSearch(momentum=0.0)
    search.update(torch.zeros(500))
    search.update(torch.full((10,), 0.9))
    search.update(torch.zeros(0))
    assert (float(search.low), float(search.high)) == (pytest.approx(0.25), pytest.approx(0.7))
    assert int(search.count) == 10


def test_the_last_values_are_remembered() -> None:
    search = ThresholdSearch(size=40)
    for number in range(1, 6):
        search.update(torch.full((16,), number / 10))
    assert sorted({round(v, 1) for v in search.values.tolist()}) == [0.3, 0.4, 0.5]


def test_a_tracked_threshold_follows_scores_that_drift() -> None:
    """Scores of background rise from .10 to .35 and of objects from .35 to .85. Seen over 6 seeds: the middle of the
    thresholds goes from .23 to .55; right decisions in the four quarters .97, .98, .99, 1.0, at a fixed .45 .66, .93,
    1.0, .98."""
    tracked, fixed = np.zeros(4), np.zeros(4)
    ends = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        search = ThresholdSearch(low=0.2, high=0.25, momentum=0.9, least=0.0, size=1024)
        for step in range(80):
            share = step / 79
            values, objects = drawn(rng, 0.1 + 0.25 * share, 0.35 + 0.5 * share)
            search.update(values)
            middle = (search.low + search.high) / 2
            tracked[step // 20] += float(((values > middle) == objects).float().mean()) / 80
            fixed[step // 20] += float(((values > 0.45) == objects).float().mean()) / 80
        ends.append(float(middle))
    assert 0.5 < np.mean(ends) < 0.65, ends
    assert tracked.min() > 0.9, tracked
    assert tracked.mean() > fixed.mean() + 0.047, (tracked, fixed)


def test_certainty_is_least_at_a_threshold_and_grows_with_the_distance() -> None:
    low, high = torch.tensor(0.25), torch.tensor(0.75)
    score = torch.tensor([0.0, 0.125, 0.25, 0.5, 0.75, 0.875, 1.0])
    found = certainty(score, low, high)
    torch.testing.assert_close(found, torch.tensor([0.8, 0.4, 0, 0, 0, 0.4, 0.8]))
    rising = certainty(torch.linspace(0.75, 1, 50), low, high, beta=2.0)
    assert (rising.diff() >= 0).all()
    assert float(rising[-1]) == pytest.approx(math.exp(-(math.log(1 / 0.8) ** 2)))
    ends = certainty(torch.tensor([0.0, 0.5, 1.0]), torch.tensor(0.0), torch.tensor(1.0))
    assert ends.tolist() == [0, 0, 0]


@pytest.mark.parametrize("wrong", [{"low": 0.8}, {"high": 1.5}, {"momentum": -0.1}, {"least": 2.0}, {"size": 0}])
def test_numbers_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        ThresholdSearch(**wrong)  # type: ignore[arg-type]
