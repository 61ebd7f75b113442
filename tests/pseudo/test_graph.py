"""The graph over the surface: its edges, costs and normals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from pcseg.errors import InputError
from pcseg.pseudo import EdgeCosts, surface_graph


def corner(count: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return points on a floor (first half) and a wall that meet at x = 0, and their colors."""
    rng = np.random.default_rng(seed)
    coord = rng.random((count, 3))
    coord[: count // 2, 2] = 0
    coord[count // 2 :, 0] = 0
    color = np.where(np.arange(count)[:, None] < count // 2, [[200, 0, 0]], [[0, 0, 200]]).astype(np.uint8)
    return coord, color


def test_edges_join_each_point_with_its_nearest_and_back() -> None:
    coord, _ = corner(200)
    cost = surface_graph(coord, {}, EdgeCosts(1.0, 0.0, 0.0), neighbors=4).cost.toarray()
    _, index = cKDTree(coord).query(coord, k=5)
    wanted = np.zeros((200, 200), dtype=bool)
    wanted[np.arange(200)[:, None], index[:, 1:]] = True
    wanted |= wanted.T
    assert np.array_equal(cost > 0, wanted)
    assert np.array_equal(cost, cost.T)
    one, other = np.nonzero(np.triu(wanted))
    length = np.linalg.norm(coord[one] - coord[other], axis=1)
    np.testing.assert_allclose(cost[one, other], length / np.median(length), rtol=1e-5)


def test_each_term_of_a_cost_counts_alone() -> None:
    coord, color = corner()
    floor = np.arange(600) < 300
    column = np.where(floor, 5.0, 25.0)
    across = None
    for costs in (EdgeCosts(0, 1, 0), EdgeCosts(0, 0, 1), EdgeCosts(0, 0, 0, {"intensity": 1.0})):
        graph = surface_graph(coord, {"color": color, "intensity": column}, costs)
        one, other = graph.cost.nonzero()
        value = np.asarray(graph.cost[one, other])
        across, within = value[floor[one] != floor[other]], value[floor[one] == floor[other]]
        assert np.median(across) > 0.2
        assert np.median(within) < 0.05
    assert across is not None
    np.testing.assert_allclose(across, 1.0, rtol=1e-5)  # the whole range of the column


def test_normals_are_those_of_the_planes() -> None:
    coord, _ = corner(2000)
    normal = surface_graph(coord, {}).normal
    inside = (coord > 0.25).sum(axis=1) == 2  # away from the edges of the planes
    on_floor = coord[:, 2] == 0
    assert (np.abs(normal[inside & on_floor, 2]) > 0.99).all()
    assert (np.abs(normal[inside & ~on_floor, 0]) > 0.99).all()


def test_points_of_a_voxel_are_one_node() -> None:
    coord, color = corner(500)
    graph = surface_graph(coord, {"color": color}, voxel_size=0.2)
    cell = np.floor((coord - coord.min(axis=0)) / 0.2).astype(int)
    _, wanted = np.unique(cell, axis=0, return_inverse=True)
    assert len(graph) == wanted.max() + 1
    assert np.array_equal(graph.node, wanted.reshape(-1))
    np.testing.assert_allclose(graph.position[graph.node[0]], coord[graph.node == graph.node[0]].mean(0) - coord.min(0))
    wanted_means = np.array([coord[graph.node == n].mean(axis=0) for n in range(len(graph))])
    np.testing.assert_allclose(graph.mean(coord), wanted_means, rtol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_few_points_and_points_in_one_place(count: int) -> None:
    graph = surface_graph(np.zeros((count, 3)), {})
    assert len(graph) == count
    assert graph.cost.shape == (count, count)
    assert (graph.cost.toarray().diagonal() == 0).all()
    assert np.isfinite(graph.cost.data).all()
    assert count < 2 or (graph.cost.data > 0).all()


def test_wrong_input_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"costs.attributes: there is no column intensity; name one of color"):
        surface_graph(np.zeros((3, 3)), {"color": np.zeros((3, 3))}, EdgeCosts(attributes={"intensity": 1.0}))
    with pytest.raises(InputError, match="NaN"):
        surface_graph(np.full((3, 3), np.nan), {})
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(InputError, match=r"costs\.normal"):
            EdgeCosts(normal=wrong)


def test_points_far_on_all_sides_are_nodes_and_leave_the_others_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    coord, _ = corner()
    far = np.array([[-9e11, 0, 0], [0, 9e11, 2e6], [0, 0, -4e4], [5e5, 5e5, 5e5]])
    node = surface_graph(np.concatenate([coord, far]), {}, voxel_size=0.1).node
    assert len(np.unique(node[-4:])) == 4
    for number in np.unique(node[:-4]):
        mine = node == number
        assert not mine[-4:].any()
        assert np.ptp(coord[mine[:-4]], axis=0).max() < 0.101
    plain = surface_graph(coord, {}, voxel_size=0.1).node
    monkeypatch.setattr("pcseg.pseudo.graph.COORDINATE_LIMIT", 3)
    assert np.array_equal(surface_graph(coord, {}, voxel_size=0.1).node, plain)
