"""Edges, paths, walks and merges on the neighbor graph of a scan against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcseg.errors import InputError
from pcseg.ops import class_paths, cores, edges, left_out_paths, random_walk
from tests.ops.clouds import torch_threads

K = 4


def random_graph(n: int, seed: int, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return costs (n, n), infinite where there is no edge, and labels (n,), of K - 1 classes, most unknown."""
    rng = np.random.default_rng(seed)
    cost = np.full((n, n), np.inf)
    for _ in range(2 * n):
        a, b = rng.integers(n, size=2)
        if a != b:
            cost[a, b] = cost[b, a] = rng.integers(1, 4) if ties else np.float32(rng.random() + 1e-3)
    return cost, np.where(rng.random(n) < 0.3, rng.integers(K - 1, size=n), -1)


def edges_of(cost: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    there = np.isfinite(cost)
    starts = np.concatenate([[0], there.sum(axis=1).cumsum()])
    values = (starts.astype(np.int64), np.nonzero(there)[1].astype(np.int32), cost[there].astype(np.float32))
    return tuple(map(torch.from_numpy, values))  # type: ignore[return-value]


def all_pairs(cost: np.ndarray) -> np.ndarray:
    """Return the cost (n, n) of the cheapest path between any two nodes (Floyd and Warshall)."""
    path = cost.copy()
    np.fill_diagonal(path, 0)
    for k in range(len(path)):
        path = np.minimum(path, path[:, k : k + 1] + path[k])
    return path


def to_classes(path: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.stack([np.where(labels == k, path, np.inf).min(axis=1, initial=np.inf) for k in range(K)], axis=1)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("n", "seed"), [(1, 0), (2, 1), (12, 2), (40, 3), (40, 4), (60, 5)])
def test_paths_are_the_cheapest_of_all(n: int, seed: int, ties: bool) -> None:
    cost, labels = random_graph(n, seed, ties)
    path = all_pairs(cost)
    found = class_paths(*edges_of(cost), torch.from_numpy(labels), K).numpy()
    np.testing.assert_allclose(found, to_classes(path, labels), rtol=1e-5)
    alone = []
    for node in np.flatnonzero(labels >= 0):
        others = labels.copy()
        others[node] = -1
        alone.append(to_classes(path, others)[node])
    again, left_out = (each.numpy() for each in left_out_paths(*edges_of(cost), torch.from_numpy(labels), K))
    np.testing.assert_array_equal(again, found)
    assert left_out.shape == ((labels >= 0).sum(), K)
    np.testing.assert_allclose(left_out, np.reshape(alone, left_out.shape), rtol=1e-5)


def test_paths_and_walks_are_the_same_for_any_number_of_threads() -> None:
    cost, labels = random_graph(3000, 7)
    label, start = torch.from_numpy(labels), torch.rand(3000, 9, generator=torch.Generator().manual_seed(0))
    found = []
    for threads in (1, 2, 3):
        with torch_threads(threads):
            walked = random_walk(*edges_of(cost), start, label >= 0, 0.1, start)
            found.append([*left_out_paths(*edges_of(cost), label, K), walked])
    for others in found[1:]:
        assert all(map(torch.equal, found[0], others))


def test_what_does_not_fit_is_refused() -> None:
    """Memory is read by pointers: nothing may get there that is of another type, size or range."""
    cost, labels = random_graph(5, 0)
    starts, ends, costs = edges_of(cost)
    label = torch.from_numpy(labels)
    nan = costs.clone()
    nan[0] = float("nan")
    for wrong, word in (
        ((starts, ends, costs, torch.full_like(label, K)), "4 is no class"),
        ((starts, ends, costs, label.int()), "label: torch.int32"),
        ((starts, ends, costs, label.repeat(2)), "do not fit"),
        ((starts[:-1], ends, costs, label[:-1]), "do not fit"),
        ((starts, ends, costs.double(), label), "cost: torch.float64"),
        ((starts, ends + 5, costs, label), "ends"),
        ((starts, ends, nan, label), "NaN"),
        ((starts, ends, -costs, label), "less than 0"),
        ((starts[:, None], ends, costs, label), "dimensions"),
        ((starts, ends, costs[:, None][:, :0], label), "dimensions"),
        ((starts, ends, costs, label[:, None]), "labels"),
    ):
        with pytest.raises(InputError, match=word):
            class_paths(*wrong, K)
        with pytest.raises(InputError, match=word):
            left_out_paths(*wrong, K)
    with pytest.raises(InputError, match="ends"):
        cores(starts, ends + 5, costs, 1.0)
    start, fixed = torch.zeros(5, 2), label >= 0
    for walk, word in (
        ((costs, start.double(), fixed, 0.1), "start: torch.float64"),
        ((costs, start, label, 0.1), "fixed: torch.int64"),
        ((costs, start[1:], fixed, 0.1), "start"),
        ((-costs, start, fixed, 0.1), "less than 0"),
        ((costs, start, fixed, 0.0), "leak=0"),
        ((costs, start, fixed, 1e-5), "leak=1e-05"),
        ((costs * torch.inf, start, fixed, 0.1), "weight"),
        ((costs, start, fixed, 0.1, start[:, 1:]), "start"),
        ((costs, start, fixed, 0.1, start, 1.0), "error=1"),
    ):
        with pytest.raises(InputError, match=word):
            random_walk(starts, ends, *walk)
    near, distance = torch.zeros(4, 2, dtype=torch.int64), torch.ones(4, 2, dtype=torch.float64)
    for near_wrong, word in (
        ((near + 4, distance), "not all"),
        ((near, distance[1:]), "near"),
        ((near.int(), distance), "int32"),
    ):
        with pytest.raises(InputError, match=word):
            edges(*near_wrong)


@pytest.mark.parametrize("core", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("ties", [False, True])
def test_merges_are_those_of_sets_of_nodes(core: float, ties: bool) -> None:
    n = 80
    cost, _ = random_graph(n, 1, ties)
    trees, sets, inner = [{i} for i in range(n)], [{i} for i in range(n)], [0.0] * n
    pairs = sorted((np.float32(cost[a, b]), a, b) for a in range(n) for b in range(a + 1, n) if np.isfinite(cost[a, b]))
    for price, a, b in pairs:
        i, j = (next(t for t in range(n) if node in trees[t]) for node in (a, b))
        if i == j:
            continue
        trees[i], trees[j] = trees[i] | trees[j], set()
        i, j = (next(s for s in range(n) if node in sets[s]) for node in (a, b))
        if price <= min(inner[i] + core / len(sets[i]), inner[j] + core / len(sets[j])):
            sets[i], sets[j], inner[i] = sets[i] | sets[j], set(), price
    part = cores(*edges_of(cost), core).numpy()
    found = [np.flatnonzero(part == p).tolist() for p in np.unique(part)]
    assert sorted(map(sorted, filter(None, sets))) == sorted(found)
    assert all(part[p] == p for p in part)


@pytest.mark.parametrize("k", [1, 3])
def test_each_edge_comes_once(k: int) -> None:
    rng = np.random.default_rng(k)
    near = np.array([rng.permutation(np.delete(np.arange(12), i))[:k] for i in range(12)])
    near[4] = -1
    distance = rng.random(near.shape)
    wanted = {}
    for node, row in enumerate(near):
        for place, end in enumerate(row):
            if end >= 0:
                wanted.setdefault((min(node, end), max(node, end)), set()).add(distance[node, place])
    one, other, length = (each.tolist() for each in edges(torch.from_numpy(near), torch.from_numpy(distance)))
    assert sorted(zip(one, other, strict=True)) == sorted(wanted)
    assert all(value in wanted[a, b] for a, b, value in zip(one, other, length, strict=True))


def test_edges_that_nothing_goes_along_are_none() -> None:
    """A stray far away has edges of weights that a float32 holds only as 0 or nearly so."""
    cost, labels = random_graph(60, 3)
    starts, ends, weight = edges_of(np.where(np.isfinite(cost), 1.0, np.inf))
    own = (ends == 7) | (torch.arange(60).repeat_interleave(starts.diff()) == 7)
    start = torch.rand(60, 3, generator=torch.Generator().manual_seed(0))
    found = []
    for tiny in (0.0, 1.5e-41, 1e-39):
        weight[own] = tiny
        found.append(random_walk(starts, ends, weight, start, torch.from_numpy(labels >= 0), 0.05, start))
    assert found[0].isfinite().all()
    for other in found[1:]:
        torch.testing.assert_close(found[0], other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("leak", [1e-3, 0.05, 1.0])
def test_the_error_of_walks_is_the_one_asked_for_where_weights_differ_by_orders(leak: float) -> None:
    rng = np.random.default_rng(1)
    cost, labels = random_graph(60, 3)
    there = np.isfinite(cost)
    weight = np.where(there, 10.0 ** -(8 * rng.random((60, 60))), 0.0).astype(np.float32)
    weight = np.triu(weight, 1) + np.triu(weight, 1).T
    total = weight.sum(axis=1, dtype=np.float64)
    fixed = (labels >= 0) | (total == 0)
    start, goal = rng.random((2, 60, 4)).astype(np.float32)
    matrix = np.eye(60) * (1 + leak) - weight / np.maximum(total, 1e-30)[:, None]
    right = leak * goal.astype(np.float64)
    matrix[fixed], right[fixed] = np.eye(60)[fixed], start[fixed]
    wanted = np.linalg.solve(matrix, right)
    starts, ends, weights = edges_of(np.where(there, weight, np.inf))
    given = [torch.from_numpy(each) for each in (start, fixed)]
    for error in (1e-2, 1e-4):
        found = random_walk(starts, ends, weights, *given, leak, torch.from_numpy(goal), error).numpy()
        before, after = (np.sqrt((total[:, None] * (each - wanted) ** 2).sum()) for each in (start, found))
        assert after <= 1.1 * error * before + 1e-5


@pytest.mark.parametrize("columns", [1, 5, 8, 9, 20])
@pytest.mark.parametrize("leak", [0.02, 0.3, 2.0])
@pytest.mark.parametrize("prior", [False, True])
def test_walks_end_where_the_linear_equations_say(columns: int, leak: float, prior: bool) -> None:
    cost, labels = random_graph(60, 3)
    rng, fixed = np.random.default_rng(0), labels >= 0
    start, goal = rng.random((2, 60, columns))
    weight = np.where(np.isfinite(cost), cost, 0.0)
    step = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    matrix = np.eye(60) * (1 + leak) - step
    right = leak * goal * prior
    matrix[fixed], right[fixed] = np.eye(60)[fixed], start[fixed]
    starts, ends, costs = edges_of(cost)
    given = [torch.from_numpy(each.astype(np.float32)) for each in (start, goal)]
    found = random_walk(starts, ends, costs, given[0], torch.from_numpy(fixed), leak, given[1] if prior else None)
    np.testing.assert_allclose(found.numpy(), np.linalg.solve(matrix, right), atol=3e-4)
    assert np.array_equal(found.numpy()[fixed], given[0].numpy()[fixed])
