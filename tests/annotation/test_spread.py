"""Labels that spread click by click, against all of them at once and against a plain search written here."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.annotation.spread import NONE, SpreadLabels
from pcseg.pseudo import SurfaceGraph, surface_graph
from tests.annotation.rooms import room

SCENE = room(150)
GRAPH = surface_graph(SCENE.coord, SCENE.attributes)
COARSE = surface_graph(SCENE.coord, SCENE.attributes, voxel_size=0.3)
REACH = 10.0
CHANGES = st.lists(
    st.dictionaries(st.integers(0, 149), st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=4), max_size=12
)


def plain(graph: SurfaceGraph, labels: dict[int, int], n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return confidence (N,) and which labels (N, K + 1) each node may have, NONE last: by heaps of paths."""
    count = len(graph.position)
    votes = np.zeros((count, n_classes))
    for point, k in labels.items():
        votes[graph.node[point], k] += 1
    given = np.where(votes.any(axis=1), votes.argmax(axis=1), -1)
    cost = graph.cost.tocsr()
    distance = np.full((count, n_classes), np.inf)
    for k in range(n_classes):
        best = {int(node): 0.0 for node in np.flatnonzero(given == k)}
        heap = [(0.0, node) for node in best]
        done = set()
        while heap:
            far, node = heapq.heappop(heap)
            if node in done:
                continue
            done.add(node)
            distance[node, k] = far
            for at in range(cost.indptr[node], cost.indptr[node + 1]):
                there, path = int(cost.indices[at]), far + float(cost.data[at])
                if path < best.get(there, np.inf):
                    best[there] = path
                    heapq.heappush(heap, (path, there))
    share = (0.3 + distance) ** -2.0
    total = share.sum(axis=1)
    nearest = distance.min(axis=1)
    sure = np.where(total > 0, share.max(axis=1) / np.maximum(total, 1e-30), 0) * REACH / (REACH + nearest)
    fits = np.zeros((count, n_classes + 1), dtype=bool)
    fits[:, :-1] = np.isfinite(distance) & (distance <= 1.0001 * nearest[:, None])  # several where labels are as near
    fits[given >= 0, :-1] = given[given >= 0, None] == np.arange(n_classes)
    fits[:, -1] = ~np.isfinite(nearest)
    return np.where(given >= 0, 1, np.where(np.isfinite(nearest), sure, 0)), fits


@pytest.mark.parametrize("graph", [GRAPH, COARSE], ids=["points", "voxels"])
@settings(max_examples=25, deadline=None)
@given(CHANGES)
def test_changes_one_by_one_are_the_same_labels_at_once(
    graph: SurfaceGraph, changes: list[dict[int, int | None]]
) -> None:
    spread, labels = SpreadLabels(graph, 4, REACH), dict[int, int]()
    for change in changes:
        before, sure = spread.label.copy(), spread.confidence.copy()
        touched = spread.change(change)
        rest = np.setdiff1d(np.arange(len(graph)), touched)
        assert (spread.label[rest] == before[rest]).all(), "a node changed that is not among those told"
        assert (spread.confidence[rest] == sure[rest]).all()
        for point, k in change.items():
            labels.pop(point, None)
            if k is not None:
                labels[point] = k
        fresh = SpreadLabels(graph, 4, REACH)
        fresh.load(labels)
        assert (spread.label == fresh.label).all()
        assert (spread.confidence == fresh.confidence).all(), "bit for bit"


@settings(max_examples=10, deadline=None)
@given(st.dictionaries(st.integers(0, 149), st.integers(0, 3), max_size=8))
def test_labels_are_those_of_a_plain_search(labels: dict[int, int]) -> None:
    spread = SpreadLabels(GRAPH, 4, REACH)
    for point, k in labels.items():
        spread.change({point: k})
    sure, fits = plain(GRAPH, labels, 4)
    np.testing.assert_allclose(spread.confidence, sure, rtol=1e-4, atol=1e-6)
    assert fits[np.arange(len(fits)), np.where(spread.label == NONE, 4, spread.label)].all()


def test_a_click_that_wins_little_touches_little() -> None:
    spread = SpreadLabels(GRAPH, 2, REACH)
    spread.change(dict.fromkeys(range(0, 150, 2), 0))
    spread.change({0: 1, 3: 1})
    assert len(spread.change({1: 0})) < 20
