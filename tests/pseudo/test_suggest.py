"""Points to label next: where doubt is largest, against plain loops, and what they are worth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import dijkstra

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo import Spreading, SurfaceGraph, make_superpoints, suggest_points, surface_graph
from pcseg.pseudo.suggest import network_doubt
from pcseg.pseudo.superpoints import medoids
from tests.pseudo.test_graph import corner

FAR = 20.0


def next_click(graph: SurfaceGraph, part: np.ndarray, labels: np.ndarray, taken: set[int]) -> int:
    """Return the node to label, computed from all paths anew; ``taken``: the superpoints that are not to be chosen."""
    distance = np.minimum(dijkstra(graph.cost), FAR)
    left = np.zeros(len(graph))
    for node in range(len(graph)):
        each = [distance[node][labels == k].min(initial=FAR) for k in np.unique(labels[labels != IGNORE])]
        first, second = sorted([*each, FAR, FAR])[:2]
        left[node] = (1 - np.exp(-first / 2)) / (1 + second - first)
    best = max(set(range(part.max() + 1)) - taken, key=lambda number: left[part == number].sum())
    middle = medoids(graph, part)[best]
    return int(middle if labels[middle] == IGNORE else np.where(part == best, left, -1).argmax())


@pytest.mark.parametrize("given", [0, 3])
def test_each_point_is_where_most_doubt_is_left(given: int) -> None:
    coord, color = corner(200)
    graph = surface_graph(coord, {"color": color}, neighbors=4)
    labels = np.full(200, IGNORE)
    labels[np.arange(given) * 60] = np.arange(given) % 2
    part = make_superpoints(graph, 0.0, most=4 * (6 + given))
    found = suggest_points(graph, 6, labels)
    for i, node in enumerate(found):
        begun = i // (part.max() + 1) * (part.max() + 1)  # each superpoint once before any is chosen again
        assert node == next_click(graph, part, labels, set(part[found[begun:i]].tolist()))
        labels[node] = labels.max() + 1
    assert len(set(found)) == 6


def test_the_first_is_in_the_largest_superpoint_and_a_network_may_say_otherwise() -> None:
    coord, color = corner(900)
    graph = surface_graph(coord, {"color": color})
    part = make_superpoints(graph, 0.0, most=20)
    assert part[suggest_points(graph, 5)[0]] == np.bincount(part).argmax()
    wall = (coord[:, 0] == 0).astype(float)
    assert (coord[suggest_points(graph, 5, doubt=wall)][:, 0] == 0).all()


def test_labeled_nodes_are_not_asked_again_until_none_is_left() -> None:
    coord, _ = corner(40)
    graph = surface_graph(coord, {}, neighbors=4)
    labels = np.full(40, IGNORE)
    labels[:30] = 0
    assert sorted(suggest_points(graph, 40, labels)) == list(range(30, 40))
    assert len(suggest_points(graph, 5, np.zeros(40, dtype=np.int64))) == 0
    assert len(suggest_points(surface_graph(np.zeros((0, 3)), {}), 3)) == 0


def room() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points (P, 3) on a floor with 25 boxes of three colors, their colors and classes (P,)."""
    rng = np.random.default_rng(0)
    parts = [(np.c_[rng.random((2500, 2)) * 6, np.zeros(2500)], 0)]
    for number in range(25):
        low = np.array([0.4 + 1.2 * (number % 5), 0.4 + 1.2 * (number // 5), 0.0])
        box = rng.random((60, 3)) * 0.4
        box[np.arange(60), rng.integers(3, size=60)] = 0.4
        parts.append((low + box, 1 + number % 3))
    truth = np.concatenate([np.full(len(points), k) for points, k in parts])
    color = np.array([[90, 90, 90], [200, 40, 40], [40, 200, 40], [40, 40, 200]])[truth]
    color = np.clip(color + rng.normal(0, 12, color.shape), 0, 255).astype(np.uint8)
    return np.concatenate([points for points, _ in parts]), color, truth


def test_suggested_points_are_worth_more_than_random_ones() -> None:
    coord, color, truth = room()
    spreading = Spreading(keep=0.0)
    graph = spreading.graph(coord, {"color": color})

    def accuracy(points: np.ndarray) -> float:
        labels = np.full(len(truth), IGNORE)
        labels[points] = truth[points]
        return float((spreading(graph, labels, 4)[0] == truth).mean())

    for budget in (40, 200):
        draws = [np.random.default_rng(seed).choice(len(truth), budget, replace=False) for seed in range(3)]
        assert accuracy(suggest_points(graph, budget)) > max(map(accuracy, draws)) + 0.01


def test_a_few_at_a_time_are_worth_as_much_as_all_at_once() -> None:
    coord, color, truth = room()
    spreading = Spreading(keep=0.0)
    graph = spreading.graph(coord, {"color": color})
    at_once, by_fours = np.full(len(truth), IGNORE), np.full(len(truth), IGNORE)
    chosen = suggest_points(graph, 60)
    at_once[chosen] = truth[chosen]
    for _ in range(15):
        points = suggest_points(graph, 4, by_fours)
        by_fours[points] = truth[points]
    scores = [float((spreading(graph, labels, 4)[0] == truth).mean()) for labels in (at_once, by_fours)]
    assert scores[1] > scores[0] - 0.005, scores


def test_the_doubt_of_a_network_is_its_missing_margin() -> None:
    found = network_doubt(np.array([[0.7, 0.2, 0.1], [0.4, 0.2, 0.4], [1, 0, 0], [0, 0, 0]]))
    np.testing.assert_allclose(found, [0.5, 1, 0, 1], atol=1e-7)
    np.testing.assert_allclose(network_doubt(np.ones((2, 1))), [0, 0])


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="budget=0"):
        suggest_points(surface_graph(np.zeros((3, 3)), {}), 0)
