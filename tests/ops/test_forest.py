"""Forests of random cuts: against scikit-learn, against their own definition, and the same bits by every kernel."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from pcseg.errors import InputError
from pcseg.ops import Trees, ask_forest, grow_forest
from pcseg.ops._forest_reference import ask_reference, grow_reference
from tests.ops.clouds import torch_threads


def rows(n: int, columns: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values (n, columns), of which some columns repeat values or are constant, and labels (n,)."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, columns)).astype(np.float32)
    values[:, 0] = np.round(values[:, 0])
    values[:, -1] = 2.5
    label = np.clip(values[:, :2].sum(axis=1).round() + classes // 2, 0, classes - 1).astype(np.int64)
    return values, label


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in arrays]


def leaf_of(trees: Trees, tree: int, row: np.ndarray) -> int:
    node = first = int(trees.starts[tree])
    while trees.feature[node] >= 0:
        above = bool(row[int(trees.feature[node])] > float(trees.threshold[node]))
        node = first + int(trees.children[node, int(above)])
    return node


@pytest.mark.parametrize("tried", [None, 1, 2, 6])
@pytest.mark.parametrize(("n", "columns", "classes"), [(1, 1, 2), (2, 3, 2), (40, 4, 3), (300, 7, 5)])
def test_the_same_trees_grow_with_and_without_the_library(
    n: int, columns: int, classes: int, tried: int | None
) -> None:
    values, label = tensors(*rows(n, columns, classes, n))
    found = grow_forest(values, label, classes, 5, seed=3, tried=tried)
    for one, other in zip(found, grow_reference(values, label, classes, 5, tried or columns, 3), strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    asked = torch.randn(70, columns, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ask_forest(asked, found), ask_reference(asked, *found))


def test_where_few_columns_are_tried_the_best_of_all_is_often_not_among_them() -> None:
    values = torch.rand(200, 10, generator=torch.Generator().manual_seed(0))
    label = (values[:, 3] > 0.5).long()
    for tried, low, high in ((None, 40, 40), (5, 12, 28), (1, 0, 12)):
        trees = grow_forest(values, label, 2, 40, tried=tried)
        roots = trees.feature[trees.starts[:-1]]
        assert low <= int((roots == 3).sum()) <= high, tried


def test_trees_part_all_that_can_be_told_apart() -> None:
    values, label = rows(200, 4, 3, 0)
    values[10:20] = values[10]  # alike in all columns, of several classes
    label[10:20] = np.arange(10) % 3
    trees = grow_forest(*tensors(values, label), 3, 4)
    alike = Counter(label[10:20].tolist())
    share = ask_forest(torch.from_numpy(values), trees).numpy()
    np.testing.assert_allclose(share[10], [alike[k] / 10 for k in range(3)], rtol=1e-5)
    rest = np.r_[0:10, 20:200]
    np.testing.assert_array_equal(share[rest], np.eye(3, dtype=np.float32)[label[rest]])
    for tree in range(4):
        leaves = [leaf_of(trees, tree, row) for row in values]
        assert len(set(leaves[10:20])) == 1


def test_every_cut_lies_between_rows_of_its_node() -> None:
    values, label = rows(150, 5, 4, 1)
    trees = grow_forest(*tensors(values, label), 4, 3)
    for tree in range(3):
        first, last = trees.starts[tree : tree + 2].tolist()
        there = {0: np.arange(150)}
        for node in range(last - first):
            column = int(trees.feature[first + node])
            if column < 0:
                continue
            above = values[there[node], column] > float(trees.threshold[first + node])
            assert 0 < above.sum() < len(above)
            left, right = trees.children[first + node].tolist()
            there[left], there[right] = there[node][~above], there[node][above]
        assert sorted(np.concatenate([there[n] for n in there if trees.feature[first + n] < 0])) == list(range(150))


@pytest.mark.parametrize("tried", [None, 2])
def test_unseen_rows_are_told_as_well_as_by_scikit_learn(tried: int | None) -> None:
    sklearn = pytest.importorskip("sklearn.ensemble")
    right = []
    for seed in range(4):
        values, label = rows(1200, 8, 4, seed)
        seen, others = slice(0, 400), slice(400, None)
        trees = grow_forest(*tensors(values[seen], label[seen]), 4, 60, seed, tried)
        own = ask_forest(torch.from_numpy(values[others]), trees).numpy().argmax(axis=1)
        known = sklearn.ExtraTreesClassifier(60, max_features=tried, random_state=seed).fit(values[seen], label[seen])
        right.append([(own == label[others]).mean(), (known.predict(values[others]) == label[others]).mean()])
    mine, theirs = np.mean(right, axis=0)
    assert theirs > 0.4
    assert abs(mine - theirs) < 0.03


def test_a_forest_is_the_same_for_any_number_of_threads_and_another_for_another_seed() -> None:
    values, label = tensors(*rows(400, 6, 3, 2))
    found = []
    for threads in (1, 3):
        with torch_threads(threads):
            trees = grow_forest(values, label, 3, 20)
            found.append([*trees, ask_forest(values.repeat(30, 1), trees)])
    assert all(map(torch.equal, *found))
    other = grow_forest(values, label, 3, 20, seed=1)
    assert len(other.feature) != len(trees.feature) or not torch.equal(other.threshold, trees.threshold)


@pytest.mark.parametrize("tried", [1, 3, 6])
def test_no_column_is_preferred_among_those_that_part_as_well(tried: int) -> None:
    """Those that are constant take no place among the columns tried."""
    values = torch.zeros(2, 9)
    values[1, 1:7] = 1
    trees = grow_forest(values, torch.tensor([0, 1]), 2, 600, tried=tried)
    counts = torch.bincount(trees.feature[trees.feature >= 0], minlength=9)
    assert counts.sum() == 600
    assert counts[1:7].min() > 60  # 100 each are expected, with a standard deviation of 9


@pytest.mark.parametrize("wrong", ["rows", "label", "nan", "type", "beyond", "trees", "tried"])
def test_examples_that_do_not_fit_are_refused(wrong: str) -> None:
    values, label = tensors(*rows(10, 3, 2, 0))
    trees, tried = 3, None
    if wrong == "rows":
        values, label = values[:0], label[:0]
    elif wrong == "label":
        label = label[1:]
    elif wrong == "nan":
        values[3, 1] = torch.nan
    elif wrong == "type":
        values = values.double()
    elif wrong == "beyond":
        label = label + 2
    elif wrong == "trees":
        trees = 0
    else:
        tried = 0
    with pytest.raises(InputError):
        grow_forest(values, label, 2, trees, tried=tried)


def test_rows_that_do_not_fit_are_refused() -> None:
    """A forest of leaves alone looks at no column: so much the more must there be one."""
    leaf = grow_forest(torch.ones(1, 1), torch.tensor([0]), 2, 1)
    assert ask_forest(torch.zeros(3, 1), leaf).tolist() == [[1.0, 0.0]] * 3
    for values in (torch.zeros(5000, 0), torch.zeros(4), torch.zeros(4, 2, 3)):
        with pytest.raises(InputError, match="values"):
            ask_forest(values, leaf)
    with pytest.raises(InputError, match="too many"):
        grow_forest(torch.ones(1, 1), torch.tensor([0]), 2**31, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("starts", torch.tensor([0, 4])),
        ("starts", torch.tensor([0])),
        ("feature", torch.tensor([3, -1, -1], dtype=torch.int32)),
        ("children", torch.tensor([[0, 2], [-1, -1], [-1, -1]], dtype=torch.int32)),  # would lead round for ever
        ("children", torch.tensor([[1, 3], [-1, -1], [-1, -1]], dtype=torch.int32)),
        ("share", torch.tensor([-1, 0, 2], dtype=torch.int32)),
        ("share", torch.tensor([-1, 0, -1], dtype=torch.int32)),
        ("threshold", torch.zeros(2)),
        ("threshold", torch.zeros(3, 0)),
        ("share", torch.zeros(3, 2, dtype=torch.int32)),
        ("mixed", torch.zeros(2)),
        ("mixed", torch.zeros(1, 2, 2)),
        ("mixed", torch.zeros(1, 2).double()),
    ],
)
def test_trees_that_do_not_fit_are_refused(name: str, value: torch.Tensor) -> None:
    trees = grow_forest(torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1]), 2, 1)
    assert trees.feature.tolist() == [0, -1, -1]
    with pytest.raises(InputError, match=r"trees|starts|mixed"):
        ask_forest(torch.zeros(3, 1), trees._replace(**{name: value}))
