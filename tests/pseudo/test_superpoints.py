"""Superpoints: what is merged, against plain loops, and that they follow the borders of surfaces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from pcseg.errors import InputError
from pcseg.pseudo import SurfaceGraph, make_superpoints, surface_graph
from pcseg.pseudo.superpoints import medoids
from tests.pseudo.test_graph import corner


def same_parts(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two numberings (N,) make the same parts."""
    pairs = np.unique(np.stack([one, other]), axis=1).shape[1]
    return pairs == len(np.unique(one)) == len(np.unique(other))


def first_merges(graph: SurfaceGraph) -> np.ndarray:
    """Return the parts (N,) that Felzenszwalb and Huttenlocher's rule makes, one edge after the other."""
    cost = graph.cost.toarray()
    part, inner = np.arange(len(graph)), np.zeros(len(graph))
    one, other = np.nonzero(np.triu(cost))
    for i in np.argsort(cost[one, other], kind="stable"):
        a, b, price = part[one[i]], part[other[i]], cost[one[i], other[i]]
        limit = min(inner[a] + 1 / (part == a).sum(), inner[b] + 1 / (part == b).sum())
        if a != b and price <= limit:
            part[part == b], inner[a] = a, price
    return part


@pytest.mark.parametrize("seed", range(4))
def test_the_first_merges_are_those_of_the_rule(seed: int) -> None:
    coord, color = corner(80, seed)
    graph = surface_graph(coord, {"color": color}, neighbors=4)
    found, wanted = make_superpoints(graph, 0.0, minimum=1), first_merges(graph)
    # The rule on all edges may join what it has refused before; on the tree it may not.
    assert len(np.unique(np.stack([found, wanted]), axis=1)[0]) == found.max() + 1
    assert wanted.max() > 0


@pytest.mark.parametrize("seed", range(4))
def test_merges_end_where_no_border_is_cheap_enough(seed: int) -> None:
    coord, color = corner(300, seed)
    graph = surface_graph(coord, {"color": color})
    part = make_superpoints(graph, 1.5, minimum=5)
    size, cost = np.bincount(part), graph.cost.tocoo()
    assert size.min() >= 5
    for a in range(len(size)):
        for b in range(a):
            border = cost.data[(part[cost.row] == a) & (part[cost.col] == b)]
            if len(border):
                assert border.mean() * np.sqrt(size[a] * size[b] / (size[a] + size[b])) >= 1.5
    for number in range(len(size)):  # each is one piece
        rows = np.flatnonzero(part == number)
        assert connected_components(graph.cost[rows][:, rows])[0] == 1


def test_a_floor_and_a_wall_stay_apart_and_more_regularization_leaves_fewer() -> None:
    coord, color = corner(3000)
    graph = surface_graph(coord, {"color": color})
    floor = np.arange(3000) < 1500
    counts = []
    for regularization in (0.0, 1.0, 2.0, 4.0, 8.0):
        part = make_superpoints(graph, regularization)
        share = np.bincount(part, floor) / np.bincount(part)
        right = np.maximum(share, 1 - share) @ np.bincount(part) / len(part)
        assert right > 0.98
        counts.append(part.max() + 1)
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 2 * counts[-1]
    assert np.array_equal(make_superpoints(graph, 2.0), make_superpoints(graph, 2.0))


def test_no_more_than_asked_but_what_hangs_together_only() -> None:
    coord, _ = corner(400)
    graph = surface_graph(np.concatenate([coord, coord + 100]), {})
    for most in (40, 10, 2):
        assert 1 < make_superpoints(graph, 0.0, most=most).max() + 1 <= most
    assert make_superpoints(graph, 0.0, most=1).max() + 1 == 2  # two clouds without an edge between them


def test_segments_of_the_scan_are_where_it_begins() -> None:
    coord, _ = corner(400)
    graph = surface_graph(coord, {})
    segments = np.where(coord[:, 1] < 0.5, 7, 30)
    assert same_parts(make_superpoints(graph, 0.0, start=segments), segments)
    assert make_superpoints(graph, 0.0, most=1, start=segments).max() == 0


def test_medoids_are_the_nodes_nearest_to_the_middle() -> None:
    coord, _ = corner(300)
    graph = surface_graph(coord, {})
    part = make_superpoints(graph, 1.0)
    for number, node in enumerate(medoids(graph, part)):
        own = graph.position[part == number]
        assert part[node] == number
        nearest = np.linalg.norm(own - own.mean(axis=0), axis=1).min()
        assert np.linalg.norm(graph.position[node] - own.mean(axis=0)) == pytest.approx(nearest)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_node(count: int) -> None:
    part = make_superpoints(surface_graph(np.zeros((count, 3)), {}), 2.0, most=1)
    assert part.tolist() == [0] * count


def test_nodes_without_an_edge_are_superpoints() -> None:
    graph = replace(surface_graph(np.zeros((3, 3)), {}), cost=csr_array((3, 3), dtype=np.float32))
    assert make_superpoints(graph).tolist() == [0, 1, 2]


@pytest.mark.parametrize("wrong", [{"regularization": -1.0}, {"regularization": np.nan}, {"most": 0}])
def test_wrong_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        make_superpoints(surface_graph(np.zeros((3, 3)), {}), **wrong)
