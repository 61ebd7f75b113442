"""Biased objects are removed where they are met in the background of other samples, and only there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo.debias import Centroids, debiased_centroids, k_means, likeness

CHANNELS, EACH = 16, 40
TRAIN, CAR = 1, 2
"""Classes; rails always come with a train, whose label they get. 0 is the background."""


def sample(
    rng: np.random.Generator, concepts: np.ndarray, parts: list[tuple[int, int, int, int]]
) -> list[torch.Tensor]:
    """Features, true classes and pseudo labels of ``count`` elements of each (concept, count, class, label)."""
    feats = [concepts[c] + 0.05 * rng.normal(size=(n, CHANNELS)) for c, n, _, _ in parts]
    truth, labels = (np.concatenate([np.full(p[1], p[i]) for p in parts]) for i in (2, 3))
    return [torch.from_numpy(np.concatenate(feats)).float(), torch.from_numpy(truth), torch.from_numpy(labels)]


def scenes(seed: int, rails_alone: bool, background: bool = True, count: int = 60) -> list[list[torch.Tensor]]:
    """Samples: of trains with rails, of cars, and of other things, half of these with rails where they are met.

    Without a ``background`` rails are a class of their own, 0, which is known where there is no train.
    """
    rng = np.random.default_rng(seed)
    concepts = np.linalg.qr(rng.normal(size=(CHANNELS, CHANNELS)))[0][:6]
    found = []
    for number in range(count):
        behind = [] if not background else [(4, EACH, 0, 0), (5, EACH, 0, 0)]
        if number % 3 == 0:
            parts = [(0, EACH, TRAIN, TRAIN), (1, 35, 0, TRAIN)]
        elif number % 3 == 1:
            parts = [(2, EACH, CAR, CAR)]
        else:
            parts = [(1 if rails_alone and number % 2 else 3, EACH, 0, 0)]
        found.append(sample(rng, concepts, parts + behind))
    return found


def cleaned(parts: list[list[torch.Tensor]], background: int | None, alpha: float = 0.4) -> tuple[torch.Tensor, ...]:
    """True classes, pseudo labels and what is left of them, of all samples."""
    generator = torch.Generator().manual_seed(0)
    each = [Centroids.of(feats, labels, background, generator=generator) for feats, _, labels in parts]
    centers = debiased_centroids(Centroids.joined(each), 3, background, alpha)
    left = []
    for feats, _, labels in parts:
        allowed = torch.zeros(len(labels), 3, dtype=torch.bool)
        allowed[:, labels.unique()] = True
        like = likeness(feats, labels, centers, allowed, background)
        left.append(torch.where(like >= 0.5, labels, IGNORE))
    return torch.cat([p[1] for p in parts]), torch.cat([p[2] for p in parts]), torch.cat(left)


def iou(found: torch.Tensor, truth: torch.Tensor, of: int) -> float:
    return float(((found == of) & (truth == of)).sum() / ((found == of) | (truth == of)).sum())


@pytest.mark.parametrize("background", [0, None])
def test_rails_lose_the_label_of_trains(background: int | None) -> None:
    """IoU of trains .533 before and 1.0 after, of cars 1.0 (6 seeds, with a background and without)."""
    scores = []
    for seed in range(4):
        truth, before, after = cleaned(scenes(seed, True, background is not None), background)
        assert iou(before, truth, TRAIN) == pytest.approx(40 / 75)
        assert iou(after, truth, CAR) > 0.97
        scores.append(iou(after, truth, TRAIN))
        removed = (before == TRAIN) & (after == IGNORE)
        assert set(truth[removed].tolist()) == {0}
    assert np.mean(scores) > 0.9, scores


def test_nothing_is_removed_where_rails_are_never_met_without_a_train() -> None:
    """Which centroids are farthest is then a matter of chance: of many, half are of either."""
    for seed in range(2):
        truth, before, after = cleaned(scenes(seed, False, count=240), 0)
        assert iou(after, truth, TRAIN) == pytest.approx(iou(before, truth, TRAIN), abs=0.03)


def test_k_means_finds_groups_and_no_more_than_there_are() -> None:
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 0], [5, 0], [0, 5]])
    rows = torch.from_numpy(np.concatenate([c + 0.1 * rng.normal(size=(30, 2)) for c in centers])).float()
    for seed in range(5):
        found = k_means(rows, 3, torch.Generator().manual_seed(seed)).numpy()
        expected = np.stack([rows[30 * i : 30 * i + 30].numpy().mean(axis=0) for i in range(3)])
        order = np.linalg.norm(found[:, None] - expected, axis=2).argmin(axis=0)
        np.testing.assert_allclose(found[order], expected, atol=1e-5)
    assert len(k_means(torch.ones(9, 2), 3)) == 1
    assert len(k_means(torch.eye(2), 5)) == 2
    assert len(k_means(torch.zeros(0, 2), 2)) == 0
    torch.testing.assert_close(k_means(rows, 1), rows.mean(dim=0, keepdim=True))
    with pytest.raises(InputError, match="clusters=0"):
        k_means(rows, 0)


def test_the_farthest_centroids_by_hand() -> None:
    mean = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.0, 3.0]])
    centroids = Centroids(mean, torch.tensor([1, 1, 1, 0]))
    torch.testing.assert_close(debiased_centroids(centroids, 3, 0, 0.4), torch.tensor([[0.0, 0], [1, 0], [0, 0]]))
    both = debiased_centroids(centroids, 3, 0, 0.7)[1]
    torch.testing.assert_close(both, torch.tensor([1.6, 0.8]) / 3.2**0.5)
    swapped = debiased_centroids(centroids, 3, None, 0.4)
    torch.testing.assert_close(swapped[:2], torch.tensor([[0.0, 1], [1, 0]]))
    alone = Centroids(mean[:3], torch.tensor([1, 1, 1]))
    assert float(debiased_centroids(alone, 3, 0).abs().max()) == 0
    with pytest.raises(InputError, match=r"alpha=1\.5"):
        debiased_centroids(centroids, 3, 0, 1.5)


def test_likeness_by_hand() -> None:
    centers = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    feats = torch.tensor([[3.0, 4.0], [-1.0, 0.0], [3.0, 4.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    labels = torch.tensor([1, 1, 1, 0, IGNORE, 2])
    allowed = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]]).bool()
    found = likeness(feats, labels, centers, allowed, 0)
    torch.testing.assert_close(found, torch.tensor([0.6, 0.0, 0.8, 1.0, 1.0, 1.0]))
    own = likeness(feats, labels, centers, allowed)
    torch.testing.assert_close(own, torch.tensor([0.6, 0.0, 0.6, 1.0, 1.0, 0.0]))
