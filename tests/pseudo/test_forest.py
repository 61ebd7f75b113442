"""What a forest learns from the labels of all scans: descriptors, labels left out, and both joined."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo import EdgeCosts, Forest, Spreading, class_distances, describe, surface_graph
from pcseg.pseudo.spreading import left_out_distances
from tests.pseudo.test_graph import corner
from tests.pseudo.test_spreading import labeled

COSTS = EdgeCosts(1.0, 4.0, 6.0)


@pytest.mark.parametrize("seed", range(8))
def test_a_label_left_out_is_as_if_it_were_not_there(seed: int) -> None:
    coord, color = corner(80, seed)
    graph = surface_graph(coord, {"color": color}, COSTS, neighbors=3)
    labels = labeled(80, 2 + 4 * seed, seed)
    whole, found = left_out_distances(graph, labels, 3)
    np.testing.assert_array_equal(whole, class_distances(graph, labels, 3))
    for row, node in enumerate(np.flatnonzero(labels != IGNORE)):
        others = labels.copy()
        others[node] = IGNORE
        np.testing.assert_allclose(found[row], class_distances(graph, others, 3)[node], rtol=1e-4, atol=1e-5)


def test_descriptors_do_not_depend_on_where_a_scan_lies_or_how_its_points_are_ordered() -> None:
    coord, color = corner(500)
    colors = color.astype(np.float32) / 255
    before = describe(surface_graph(coord, {"color": color}), colors)
    assert np.isfinite(before).all()
    order = np.random.default_rng(0).permutation(500)
    moved = surface_graph(coord[order] + [4e5, 5e6, 100.0], {"color": color[order]})
    after = describe(moved, colors[order])
    # Superpoints may differ where costs are equal to the last digit; all before them are the same.
    same = 12 + 6 + 9
    np.testing.assert_allclose(after[:, :same], before[order][:, :same], atol=2e-3)


def test_descriptors_tell_a_floor_from_a_wall_and_low_from_high() -> None:
    coord, color = corner(600)  # a floor, then a wall
    graph = surface_graph(coord, {})
    found = describe(graph, color / 255)
    steep = found[:, 3]  # |z| of the normal
    assert np.median(steep[:300]) > 0.95
    assert np.median(steep[300:]) < 0.05
    height = coord[:, 2] - np.percentile(coord[:, 2], 0.5)
    np.testing.assert_allclose(found[:, 12], height, atol=1e-5)
    lowest = found[:, 14]  # above the lowest node of 3 x 3 columns, which never lies above the node
    assert (lowest >= 0).all()
    assert (lowest <= coord[:, 2] - coord[:, 2].min() + 1e-5).all()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_tiny_scans_are_described(count: int) -> None:
    graph = surface_graph(np.arange(3 * count, dtype=float).reshape(count, 3), {})
    found = describe(graph, np.zeros((count, 2)))
    assert len(found) == count
    assert np.isfinite(found).all()


def test_a_stray_far_away_costs_no_memory() -> None:
    coord = np.concatenate([corner(300)[0], [[3e5, -3e5, 2.0]]])
    assert np.isfinite(describe(surface_graph(coord, {}), np.zeros((301, 1)))).all()


def scan(shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates (400, 3) of a floor and a table above it, and what is what (400,)."""
    rng = np.random.default_rng(seed)
    flat = rng.random((400, 3)) * [2, 2, 0.01]
    table = np.arange(400) >= 200
    flat[table, 2] += 0.8
    flat[:, 0] += shift
    return flat, table.astype(np.int64)


@pytest.mark.parametrize("paths", [True, False])
def test_labels_of_some_scans_serve_another(paths: bool) -> None:
    spreading = Spreading(keep=0.0)
    known, examples = [], []
    for seed in range(5):
        coord, truth = scan(10 * seed, seed)
        graph = spreading.graph(coord, {})
        descriptors = describe(graph, np.zeros((400, 1)))
        labels = np.full(400, IGNORE)
        if seed < 4:
            labels[5::20] = truth[5::20]
        known.append((graph, labels, truth, descriptors))
        found, distances = spreading.examples(graph, labels, 2, descriptors, paths)
        examples.append(found)
        assert (distances is not None) == paths
    forest = Forest(**{name: np.concatenate([each[name] for each in examples]) for name in examples[0]}, n_classes=2)
    assert forest.learned_paths == paths
    graph, labels, truth, descriptors = known[-1]
    alone, _ = spreading(graph, labels, 2)
    assert (alone == IGNORE).all()
    found, confidence = spreading(graph, labels, 2, forest=forest, descriptors=descriptors)
    assert (found == truth).mean() > 0.95
    assert ((confidence > 0) & (confidence <= 1)).all()
    graph, labels, truth, descriptors = known[0]
    found, confidence = spreading(graph, labels, 2, forest=forest, descriptors=descriptors)
    given = labels != IGNORE
    assert np.array_equal(found[given], labels[given])
    assert (confidence[given] == 1).all()


def test_a_forest_is_the_same_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    descriptors, labels = rng.random((60, 5), dtype=np.float32), rng.integers(0, 3, 60) * 2
    asked = rng.random((25_000, 5), dtype=np.float32)
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(Forest(descriptors, labels, 6)(asked))
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(*found)
    np.testing.assert_allclose(found[0].sum(axis=1), 1, rtol=1e-5)
    assert not found[0][:, [1, 3, 5]].any()


def test_without_a_label_there_is_nothing_to_learn() -> None:
    with pytest.raises(InputError, match="label points first"):
        Forest(np.zeros((0, 3)), np.zeros(0, np.int64), 2)


def test_paths_weigh_less_the_farther_the_label() -> None:
    coord, _ = scan(0, 0)
    spreading = Spreading(costs=EdgeCosts(1.0, 0.0, 0.0), keep=0.0, reach=4.0)
    graph = spreading.graph(coord, {})
    labels = np.full(400, IGNORE)
    labels[3] = 0
    nothing = np.zeros((400, 1))
    forest = Forest(np.zeros((2, 1)), np.array([0, 1]), 2)  # knows nothing: one half each
    _, confidence = spreading(graph, labels, 2, forest=forest, descriptors=nothing)
    trust = 4 / (4 + class_distances(graph, labels, 2)[:, 0])
    free = labels == IGNORE
    np.testing.assert_allclose(confidence[free], (trust + (1 - trust) / 2)[free], rtol=1e-5)


def test_scans_are_described_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    coord, color = corner(200)
    graph = surface_graph(coord, {})
    whole = describe(graph, color / 255)
    monkeypatch.setattr("pcseg.pseudo.descriptors._CHUNK", 70)
    np.testing.assert_array_equal(describe(graph, color / 255), whole)


def test_an_even_forest_divides_by_how_often_each_class_was_seen() -> None:
    """Of two classes that look alike, the one labeled nine times as often is no likelier where it was not labeled."""
    rng = np.random.default_rng(0)
    seen, other = rng.random((2, 4000, 2)).astype(np.float32)
    labels = (rng.random(4000) < 0.9).astype(np.int64)
    plain, even = Forest(seen, labels, 3)(other), Forest(seen, labels, 3, even=True)(other)
    assert plain[:, 1].mean() > 0.8
    lifted = plain[:, :2] / np.bincount(labels)
    np.testing.assert_allclose(even[:, :2], lifted / lifted.sum(axis=1, keepdims=True), rtol=1e-4)
    np.testing.assert_allclose(even.sum(axis=1), 1, rtol=1e-5)
    assert not even[:, 2].any()
