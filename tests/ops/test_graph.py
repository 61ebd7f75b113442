"""Paths, merges and sums on the neighbor graph of a scan against plain NumPy, with and without the library."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcseg.errors import InputError
from pcseg.ops import class_paths, surroundings, tree_cores
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
    found = class_paths(*edges_of(cost), torch.from_numpy(labels), K, left_out=True).numpy()
    assert found.shape == ((labels >= 0).sum(), K)
    np.testing.assert_allclose(found, np.reshape(alone, found.shape), rtol=1e-5)


@pytest.mark.parametrize("left_out", [False, True])
def test_paths_are_the_same_for_any_number_of_threads(left_out: bool) -> None:
    cost, labels = random_graph(200, 7)
    found = []
    for threads in (1, 2, 3):
        with torch_threads(threads):
            found.append(class_paths(*edges_of(cost), torch.from_numpy(labels), K, left_out))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


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
    ):
        with pytest.raises(InputError, match=word):
            class_paths(*wrong, K)
    one, two = torch.zeros(2, dtype=torch.int32), torch.ones(2, dtype=torch.float64)
    for wrong_tree, word in (((one, one.long(), two), "other"), ((one, one[:1], two), "do not fit")):
        with pytest.raises(InputError, match=word):
            tree_cores(*wrong_tree, 5, 1.0)
    with pytest.raises(InputError, match="not all ends"):
        tree_cores(one + 5, one, two, 5, 1.0)
    position = torch.zeros(4, 3, dtype=torch.float64)
    for sums, word in (
        ((position.float(), torch.zeros(4, 1), 1, 2), "position: torch.float32"),
        ((position, torch.zeros(3, 1), 1, 2), "columns"),
        ((position, torch.zeros(4, 1), 3, 2), "few=3"),
        ((position, torch.zeros(4, 1), 0, 0), "few=0"),
    ):
        with pytest.raises(InputError, match=word):
            surroundings(*sums)


@pytest.mark.parametrize("core", [0.0, 0.3, 5.0])
def test_merges_are_those_of_sets_of_nodes(core: float) -> None:
    rng, n = np.random.default_rng(1), 80
    one, other = np.arange(1, n), np.array([rng.integers(i) for i in range(1, n)])  # a tree
    cost = np.sort(rng.random(n - 1))
    sets, inner = [{i} for i in range(n)], [0.0] * n
    for a, b, price in zip(one, other, cost, strict=True):
        i, j = (next(s for s in range(n) if node in sets[s]) for node in (a, b))
        if price <= min(inner[i] + core / len(sets[i]), inner[j] + core / len(sets[j])):
            sets[i], sets[j], inner[i] = sets[i] | sets[j], set(), price
    ends = (torch.from_numpy(side.astype(np.int32)) for side in (one, other))
    part = tree_cores(*ends, torch.from_numpy(cost), n, core).numpy()
    assert sorted(map(sorted, filter(None, sets))) == sorted(
        np.flatnonzero(part == p).tolist() for p in np.unique(part)
    )
    assert all(part[p] == p for p in part)


@pytest.mark.parametrize("n", [1, 3, 9, 200])
@pytest.mark.parametrize("width", [0, 1, 3])
def test_sums_are_those_over_the_nearest(n: int, width: int) -> None:
    rng, few, many = np.random.default_rng(n), 4, 10
    position, columns = rng.random((n, 3)), rng.random((n, width)).astype(np.float32)
    found = surroundings(torch.from_numpy(position), torch.from_numpy(columns), few, many)
    for i in range(n):
        square = ((position - position[i]) ** 2).sum(axis=1)
        near = [j for j in np.argsort(square) if j != i][:many]
        near += [i] * (many - len(near))
        offset, there = position[near] - position[i], columns[near].astype(np.float64)
        for row, count in enumerate((few, many)):
            np.testing.assert_allclose(found.first[i, row], offset[:count].sum(axis=0), atol=1e-5)
            product = np.einsum("na,nb->ab", offset[:count], offset[:count])
            np.testing.assert_allclose(found.second[i, row], product, atol=1e-5)
        np.testing.assert_allclose(found.mean[i], there[:few].mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(found.total[i], there.sum(axis=0), atol=1e-5)
        np.testing.assert_allclose(found.squares[i], (there**2).sum(axis=0), atol=1e-5)
        np.testing.assert_allclose(found.nearest[i], np.sqrt(square[near[0]]), atol=1e-6)


def test_sums_of_nothing_and_of_no_place() -> None:
    found = surroundings(torch.zeros(0, 3, dtype=torch.float64), torch.zeros(0, 2), 4, 10)
    assert found.total.shape == (0, 2)
    with pytest.raises(InputError, match="NaN"):
        surroundings(torch.full((2, 3), float("nan"), dtype=torch.float64), torch.zeros(2, 1), 4, 10)


def test_the_library_gives_the_bits_of_the_definition() -> None:
    """Sums in float32, one neighbor after another: so descriptors are the same with and without the library."""
    from pcseg.ops.graph import _sums_reference

    rng = np.random.default_rng(0)
    position, columns = torch.from_numpy(rng.random((500, 3))), torch.from_numpy(rng.random((500, 3))).float()
    for one, other in zip(
        surroundings(position, columns, 16, 64), _sums_reference(position, columns, 16, 64), strict=True
    ):
        if one.dim() > 1:  # the norm of torch rounds in another order
            assert torch.equal(one, other)
