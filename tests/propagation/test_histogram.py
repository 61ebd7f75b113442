"""Labels of coarse voxels against counts in numpy, on random voxels and on those of a network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pcseg.classes import IGNORE
from pcseg.losses import pair_affinity
from pcseg.networks import MinkUNet
from pcseg.propagation import BilinearAffinity, histogram_cross_entropy, label_histogram, main_label
from pcseg.sparse import SparseTensor

K = 3


def random_voxels(seed: int = 0) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]]:
    """Return voxels (E, 4) of two scans on both sides of 0, labels (E,) and weights (E,)."""
    rng = np.random.default_rng(seed)
    fine = rng.permutation(np.unique(rng.integers([0, -9, -9, -9], [2, 9, 9, 9], (300, 4)), axis=0)).astype(np.int32)
    return fine, rng.choice([IGNORE, 0, 1, 2], len(fine)), rng.random(len(fine), dtype=np.float32)


def count(
    fine: NDArray[np.int32], coarse: NDArray[np.int32], stride: int, labels: NDArray[np.int64],
    weights: NDArray[np.float32],
) -> NDArray[np.float64]:  # fmt: skip
    """Add the labels up one by one."""
    row = {tuple(cell): n for n, cell in enumerate(coarse.tolist())}
    counts = np.zeros((len(coarse), K))
    for (sample, *xyz), label, weight in zip(fine.tolist(), labels, weights, strict=True):
        if label != IGNORE:
            counts[row[(sample, *(stride * (x // stride) for x in xyz))], label] += weight
    return counts


def test_histogram_and_loss_are_those_of_counting_one_by_one() -> None:
    fine, labels, weights = random_voxels()
    cell = np.concatenate([fine[:, :1], fine[:, 1:] // 4 * 4], axis=1)
    coarse = np.random.default_rng(1).permutation(np.unique(cell, axis=0))
    wanted = count(fine, coarse, 4, labels, weights)
    given = torch.tensor(labels), K, torch.tensor(weights)
    found = label_histogram(torch.tensor(fine), torch.tensor(coarse), 4, *given)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5)
    logits = np.random.default_rng(2).normal(size=wanted.shape)
    log = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    loss = float(histogram_cross_entropy(torch.tensor(logits), found))
    np.testing.assert_allclose(loss, -(wanted * log).sum() / wanted.sum(), rtol=1e-5)
    outside = label_histogram(torch.tensor(fine), torch.tensor(coarse[3:]), 4, *given)
    np.testing.assert_allclose(outside.numpy(), wanted[3:], rtol=1e-5)


def test_histogram_fits_the_rows_of_a_network_s_levels() -> None:
    fine, labels, _ = random_voxels()
    network = MinkUNet(in_channels=4, n_classes=K)
    voxels = SparseTensor(torch.zeros(len(fine), 4), torch.tensor(fine))
    for level in network.encode(voxels, 4):
        found = label_histogram(voxels.coords, level.coords, level.stride, torch.tensor(labels), K)
        wanted = count(fine, level.coords.numpy(), level.stride, labels, np.ones(len(fine), dtype=np.float32))
        np.testing.assert_array_equal(found.numpy(), wanted)
        assert found.sum() == (labels != IGNORE).sum()


def test_without_labels_the_histogram_and_the_loss_are_zero() -> None:
    fine = torch.zeros(1, 4, dtype=torch.int32)
    histogram = label_histogram(fine, fine, 2, torch.tensor([IGNORE]), K)
    assert not histogram.any()
    assert histogram_cross_entropy(torch.ones(1, K), histogram) == 0
    assert [part.tolist() for part in main_label(histogram)] == [[IGNORE], [0.0]]


def test_main_label_weighs_its_share_and_less_where_labels_weigh_little() -> None:
    label, weight = main_label(torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.2, 0.1], [0.0, 0.0, 1.0]]))
    assert label.tolist() == [0, 1, 2]
    torch.testing.assert_close(weight, torch.tensor([0.75, 0.2, 1.0]))


def test_labeled_pairs_teach_the_affinity_to_tell_classes_apart() -> None:
    """One channel of sixteen tells two classes apart; only W learns. Share of the affinity within a class, unseen."""
    generator = torch.Generator().manual_seed(0)

    def draw() -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(100) % 2
        feats = torch.randn(100, 16, generator=generator)
        feats[:, 0] = 2.0 * labels - 1
        return feats, labels

    def within(affinity: BilinearAffinity) -> float:
        query, key = affinity.project(feats)
        others = (query @ key.T).detach().fill_diagonal_(-torch.inf)
        return float(others.softmax(1)[labels[:, None] == labels].sum() / 100)

    feats, labels = draw()
    affinity = BilinearAffinity(16)
    query, key = affinity.project(feats)
    rebuilt = affinity(feats, torch.zeros_like(labels), torch.tensor([0]), torch.tensor([False]))
    torch.testing.assert_close((query @ key.T).softmax(1) @ feats, rebuilt)
    before = within(affinity)
    optimizer = torch.optim.Adam(affinity.parameters(), lr=0.02)
    for _ in range(60):
        some, of = draw()
        loss = pair_affinity(torch.cat(affinity.project(some)), of.repeat(2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert before < 0.65
    assert within(affinity) > before + 0.1
