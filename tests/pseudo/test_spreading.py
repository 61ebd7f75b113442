"""Labels spread over a graph: shortest paths and random walks against dense solutions, and what they keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo import EdgeCosts, Spreading, class_distances, path_probabilities, random_walk, surface_graph
from tests.pseudo.test_graph import corner


def labeled(count: int, n: int, seed: int, n_classes: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    labels = np.full(count, IGNORE)
    labels[rng.choice(count, n, replace=False)] = rng.integers(n_classes, size=n)
    return labels


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 20))
def test_paths_are_the_cheapest(seed: int, n: int) -> None:
    coord, color = corner(60, seed)
    graph = surface_graph(coord, {"color": color}, neighbors=3)
    labels = labeled(60, n, seed)
    step = np.where(graph.cost.toarray() > 0, graph.cost.toarray(), np.inf)
    wanted = np.full((60, 3), np.inf)
    for k in range(3):
        wanted[labels == k, k] = 0
    for _ in range(60):  # Bellman and Ford
        wanted = np.minimum(wanted, (step[:, :, None] + wanted[None]).min(axis=1))
    np.testing.assert_allclose(class_distances(graph, labels, 3), wanted, rtol=1e-4, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 20), leak=st.floats(1e-3, 1.0), prior=st.booleans())
def test_walks_end_as_the_linear_system_says(seed: int, n: int, leak: float, prior: bool) -> None:
    coord, color = corner(60, seed)
    graph = surface_graph(coord, {"color": color}, EdgeCosts(0.15, 4.0, 6.0), neighbors=3)
    labels = labeled(60, n, seed)
    known = labels != IGNORE
    rng = np.random.default_rng(seed)
    guess = rng.dirichlet(np.ones(3), 60).astype(np.float32) if prior else None
    found = random_walk(graph, labels, 3, beta=2.0, leak=leak, prior=guess)
    cost = graph.cost.toarray().astype(np.float64)
    weight = np.where(cost > 0, np.exp(-2.0 * cost), 0)
    chance = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300) / (1 + leak)
    chance[known] = 0
    end = np.zeros((60, 3))
    end[known, labels[known]] = 1
    if guess is not None:
        end[~known] = leak / (1 + leak) * guess[~known]
    np.testing.assert_allclose(found, np.linalg.solve(np.eye(60) - chance, end), atol=5e-3)
    if prior:
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-2)


@pytest.mark.parametrize("rule", ["walk", "paths"])
def test_two_labels_fill_a_floor_and_a_wall(rule: str) -> None:
    coord, color = corner()
    labels = np.full(600, IGNORE)
    labels[[7, 400]] = 0, 2
    spreading = Spreading(rule)
    found, weight = spreading(spreading.graph(coord, {"color": color}), labels, 3)
    truth = np.where(np.arange(600) < 300, 0, 2)
    kept = found != IGNORE
    assert kept.mean() > 0.6
    assert (found == truth)[kept].mean() > 0.98
    assert found[[7, 400]].tolist() == [0, 2]
    assert weight[[7, 400]].tolist() == [1, 1]
    assert (weight[~kept] == 0).all()
    assert ((weight[kept] >= 0.5) & (weight[kept] <= 1)).all()


def test_the_most_confident_are_right_more_often() -> None:
    coord, _ = corner(4000)
    labels, truth = np.full(4000, IGNORE), np.where(np.arange(4000) < 2000, 0, 1)
    chosen = np.random.default_rng(0).choice(4000, 12, replace=False)
    labels[chosen] = truth[chosen]
    for rule in ("walk", "paths"):
        spreading = Spreading(rule, EdgeCosts(normal=0.5), keep=0.0)
        label, confidence = spreading(spreading.graph(coord, {}), labels, 2)
        right = (label == truth)[np.argsort(-confidence)]
        assert right[:2000].mean() > right[2000:].mean()


@pytest.mark.parametrize("rule", ["walk", "paths"])
def test_a_network_decides_where_no_label_is_near(rule: str) -> None:
    far = np.concatenate([corner(200)[0], corner(200)[0] + 100])
    labels = np.full(400, IGNORE)
    labels[0] = 1
    network = np.zeros((400, 2), dtype=np.float32)
    network[:, 0] = 1
    spreading = Spreading(rule)
    graph = spreading.graph(far, {})
    alone, confidence = spreading(graph, labels, 2)
    assert (alone[200:] == IGNORE).all()
    assert (confidence[200:] == 0).all()
    found, _ = spreading(graph, labels, 2, network)
    assert (found[200:] == 0).all()
    assert found[0] == 1


def test_a_network_counts_half_as_much_as_spread_labels() -> None:
    coord, color = corner()
    labels = np.full(600, IGNORE)
    labels[:300:30], labels[300::60] = 0, 1
    spreading = Spreading(costs=EdgeCosts(1.0, 0.5, 0.0), keep=0.6)
    graph = spreading.graph(coord, {"color": color})
    share = spreading.probabilities(graph, labels, 2)
    network = np.random.default_rng(0).dirichlet([0.5, 0.5], 600).astype(np.float32)
    found, weight = spreading(graph, labels, 2, network)
    given = labels != IGNORE
    assert np.array_equal(found[given], labels[given])
    mean = (2 * share + network)[~given] / 3
    kept = mean.max(axis=1) >= 0.6
    assert 0 < kept.mean() < 1
    assert np.array_equal(found[~given], np.where(kept, mean.argmax(axis=1), IGNORE))
    np.testing.assert_allclose(weight[~given], np.where(kept, mean.max(axis=1), 0), rtol=1e-5)


def test_smoothing_repairs_single_mistakes_of_a_network() -> None:
    coord, color = corner()
    truth = np.where(np.arange(600) < 300, 0, 1)
    rng = np.random.default_rng(0)
    network = np.full((600, 2), 0.1, dtype=np.float32)
    network[np.arange(600), np.where(rng.random(600) < 0.2, 1 - truth, truth)] = 0.9
    graph = surface_graph(coord, {"color": color})
    smooth = random_walk(graph, np.full(600, IGNORE), 2, leak=0.1, prior=network)
    assert (network.argmax(axis=1) == truth).mean() < 0.85
    assert (smooth.argmax(axis=1) == truth).mean() > 0.97


class Mistaken:
    """A forest that takes every fifth node for another class."""

    learned_paths = True

    def __init__(self, truth: np.ndarray, seed: int) -> None:
        wrong = np.random.default_rng(seed).random(len(truth)) < 0.2
        self.share = np.eye(2, dtype=np.float32)[np.where(wrong, 1 - truth, truth)] * 0.8 + np.float32(0.1)

    def __call__(self, descriptors: np.ndarray, paths: np.ndarray | None = None) -> np.ndarray:
        return self.share.copy()


def test_spread_labels_are_evened_out_within_surfaces_the_farther_the_fewer_labels() -> None:
    right = {}
    for seed in range(4):
        coord, color = corner(2000, seed)
        truth = np.where(np.arange(2000) < 1000, 0, 1)
        for count in (2, 10):
            labels = np.full(2000, IGNORE)
            labels[:: 2000 // count] = truth[:: 2000 // count]
            for smooth in (0.0, 100.0):
                spreading = Spreading(smooth=smooth, keep=0.0)
                graph = spreading.graph(coord, {"color": color})
                found, confidence = spreading(graph, labels, 2, None, Mistaken(truth, seed), np.zeros((2000, 1)))
                right.setdefault((count, smooth), []).append((found == truth).mean())
                assert np.array_equal(found[labels != IGNORE], labels[labels != IGNORE])
                assert ((confidence > 0) & (confidence <= 1)).all()
    mean = {key: np.mean(values) for key, values in right.items()}
    assert mean[2, 0.0] < 0.85
    assert mean[2, 100.0] > 0.97
    assert mean[10, 0.0] + 0.03 < mean[10, 100.0] < mean[2, 100.0]


def test_without_colors_nothing_holds_walks_back_and_labels_stay_as_they_are() -> None:
    coord, _ = corner(300)
    truth = np.where(np.arange(300) < 150, 0, 1)
    labels = np.full(300, IGNORE)
    labels[[0, 200]] = 0, 1
    found = []
    for smooth in (0.0, 100.0):
        spreading = Spreading(smooth=smooth, keep=0.0)
        found.append(spreading(spreading.graph(coord, {}), labels, 2, None, Mistaken(truth, 0), np.zeros((300, 1))))
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


def test_labels_that_disagree_within_a_voxel_stay_at_their_points() -> None:
    coord = np.zeros((5, 3))
    coord[3:] = 10
    labels = np.array([0, 1, 1, IGNORE, IGNORE])
    spreading = Spreading(voxel_size=1.0)
    found, weight = spreading(spreading.graph(coord, {}), labels, 2)
    assert found[:3].tolist() == [0, 1, 1]
    assert weight[:3].tolist() == [1, 1, 1]


def test_the_margin_between_classes_decides() -> None:
    distances = np.array([[1.0, 3.0, 9.0], [2.0, 2.0, np.inf], [np.inf, 4.0, np.inf], [np.inf] * 3, [0, 1, 1]])
    labels = np.array([IGNORE] * 4 + [0])
    found = path_probabilities(distances.astype(np.float32), labels, offset=1.0, power=1.0)
    wanted = np.array([[1 / 2, 1 / 4, 1 / 10], [1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]])
    wanted /= np.maximum(wanted.sum(axis=1, keepdims=True), 1e-30)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"rule": "x"}, {"beta": 0}, {"leak": -1}, {"smooth": -1}, {"keep": 1.5}, {"offset": np.nan}]
)
def test_wrong_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Spreading(**wrong)
