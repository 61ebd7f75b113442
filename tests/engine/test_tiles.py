"""Tiles partition a scan, never exceed their limit, and see their surroundings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.engine.tiles import EDGE, LARGEST, tiles
from pcseg.errors import InputError


def surface(length: float, seed: int = 0, density: float = 300.0) -> np.ndarray:
    """A floor ``length`` meters long and 4 m wide, with a wall along it."""
    rng = np.random.default_rng(seed)
    n = int(length * 4 * density)
    floor = np.stack([rng.uniform(0, length, n), rng.uniform(0, 4, n), rng.normal(0, 0.01, n)], axis=1)
    wall = np.stack([rng.uniform(0, length, n), np.zeros(n), rng.uniform(0, 3, n)], axis=1)
    return np.concatenate([floor, wall])


def voxel_count(xyz: np.ndarray, size: float) -> int:
    return len(np.unique(np.floor(xyz / size + EDGE), axis=0))


@settings(max_examples=25, deadline=None)
@given(
    length=st.floats(0.5, 12),
    max_voxels=st.integers(1, 3000),
    halo=st.floats(0, 1.5),
    size=st.sampled_from([0.1, 0.25]),
)
def test_each_point_is_decided_once_and_no_tile_is_too_large(length, max_voxels, halo, size):
    xyz = surface(length, density=60)
    found = list(tiles(xyz, size, max_voxels, halo))
    decided = np.concatenate([tile.context[tile.core] for tile in found])
    assert sorted(decided.tolist()) == list(range(len(xyz)))
    assert max(len(tile.held) for tile in found) <= max_voxels
    for tile in found:
        assert len(np.unique(tile.context)) == len(tile.context)
        of = np.repeat(np.arange(len(tile.voxels)), tile.held)
        assert np.array_equal(tile.voxels[of], np.floor(xyz[tile.context] / size + EDGE))
        assert np.array_equal(tile.voxels, np.unique(tile.voxels, axis=0))  # distinct, in lexicographic order


def test_a_scan_that_fits_is_one_tile():
    xyz = surface(3)
    (tile,) = tiles(xyz, 0.1, 10**6, 1.0)
    assert tile.core.all()
    assert len(tile.held) == voxel_count(xyz, 0.1)


def test_the_number_of_tiles_grows_and_their_size_does_not():
    counts, largest = [], []
    for length in (6, 24, 96):
        found = list(tiles(surface(length, density=100), 0.1, 2000, 0.5))
        counts.append(len(found))
        largest.append(max(len(tile.held) for tile in found))
    assert counts[0] < counts[1] < counts[2]
    assert max(largest) <= 2000


def test_the_context_holds_everything_within_the_halo():
    xyz = surface(20)
    halo = 0.8
    for tile in tiles(xyz, 0.1, 2500, halo):
        core = xyz[tile.context[tile.core]]
        low, high = core.min(axis=0) - halo + 0.2, core.max(axis=0) + halo - 0.2
        near = np.flatnonzero(((xyz >= low) & (xyz <= high)).all(axis=1))
        assert np.isin(near, tile.context).all()


def test_the_order_of_points_does_not_move_the_cuts():
    xyz = surface(10, density=50)
    turn = np.random.default_rng(1).permutation(len(xyz))
    straight = [set(t.context[t.core].tolist()) for t in tiles(xyz, 0.1, 1000, 0.4)]
    turned = [set(turn[t.context[t.core]].tolist()) for t in tiles(xyz[turn], 0.1, 1000, 0.4)]
    assert straight == turned


def test_many_points_in_one_voxel_are_cut_too_and_a_lone_voxel_is_let_through():
    rng = np.random.default_rng(0)
    two = np.concatenate([rng.uniform(0, 0.1, (400, 3)), rng.uniform((0.5, 0, 0), (0.6, 0.1, 0.1), (400, 3))])
    found = list(tiles(two, 0.2, 30, 0.0))
    assert [len(t.context) for t in found] == [400, 400]


def test_a_stray_point_far_away_costs_nothing():
    xyz = np.concatenate([surface(5, density=50), [[6e5, -5e6, 1e4]]])
    found = list(tiles(xyz, 0.05, 2000, 0.5))
    assert sum(tile.core.sum() for tile in found) == len(xyz)


def test_a_limit_of_zero_is_refused():
    with pytest.raises(InputError, match="max_voxels: 0"):
        list(tiles(surface(1), 0.1, 0, 0.5))


@settings(max_examples=25, deadline=None)
@given(
    points=st.lists(st.tuples(*[st.floats(-1e12, 1e12) | st.floats(-50, 50)] * 3), min_size=1, max_size=60),
    halo=st.floats(0, 1.5),
    coarsest=st.sampled_from([1, 4, 16]),
)
def test_islands_side_by_side_stay_what_they_are_and_apart(points, halo, coarsest):
    xyz, size = np.array(points), 0.1
    cell = np.floor(xyz / size + EDGE).astype(np.int64)
    apart = max(np.ceil(halo / size), 2 * coarsest)
    decided = []
    for tile in tiles(xyz, size, 10**6, halo, coarsest):
        decided += tile.context[tile.core].tolist()
        there = cell[tile.context]
        at = there if tile.moved is None else there - tile.moved
        assert (np.ptp(at, axis=0) < LARGEST).all()
        assert np.array_equal(np.repeat(tile.voxels, tile.held, axis=0), at)
        if tile.moved is None:
            continue
        assert (tile.moved % coarsest == 0).all()
        before = np.abs(there[:, None] - there[None]).max(axis=2)
        after = np.abs((there - tile.moved)[:, None] - (there - tile.moved)[None]).max(axis=2)
        together = (tile.moved[:, None] == tile.moved[None]).all(axis=2)
        assert (before[~together] >= apart).all()
        assert (after[~together] >= apart).all()
    assert sorted(decided) == list(range(len(xyz)))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_points_scattered_over_any_distance_share_a_tile(dimensions):
    xyz = np.zeros((2000, 3))
    for extent in (10.0, 1e6, 1e11):
        xyz[:, :dimensions] = np.random.default_rng(0).uniform(-extent, extent, (2000, dimensions))
        assert len(list(tiles(xyz, 0.05, 300_000, 2.0, 16))) == 1


@pytest.mark.parametrize("shape", ["one voxel", "one line", "two clusters", "duplicates"])
@pytest.mark.parametrize("max_voxels", [1, 300])
def test_the_worst_shapes_are_decided_once_each(shape, max_voxels):
    rng = np.random.default_rng(0)
    xyz = {
        "one voxel": rng.uniform(0, 0.05, (500, 3)),
        "one line": np.linspace(0, 1e5, 500)[:, None] * [1, 0, 0],
        "two clusters": np.concatenate([rng.uniform(0, 1, (250, 3)), rng.uniform(0, 1, (250, 3)) + 1e6]),
        "duplicates": np.repeat(rng.uniform(0, 1, (5, 3)), 100, axis=0),
    }[shape]
    decided = np.concatenate([t.context[t.core] for t in tiles(xyz, 0.05, max_voxels, 2.0, 16)])
    assert sorted(decided.tolist()) == list(range(500))


def test_rows_and_a_corner_stand_for_points_chosen_and_moved():
    xyz, corner = surface(6, density=60), np.array([1.3, -0.4, 0.05])
    rows = np.flatnonzero(np.random.default_rng(2).random(len(xyz)) < 0.7)
    wanted = list(tiles(xyz[rows] - corner, 0.1, 500, 0.4))
    found = list(tiles(xyz, 0.1, 500, 0.4, corner=corner, rows=rows))
    assert len(found) == len(wanted) > 3
    for tile, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(tile.context, other.context)
        np.testing.assert_array_equal(tile.core, other.core)
        np.testing.assert_array_equal(tile.held, other.held)
        np.testing.assert_array_equal(tile.voxels, other.voxels)
        np.testing.assert_array_equal(
            np.repeat(tile.voxels, tile.held, axis=0), np.floor((xyz[rows[tile.context]] - corner) / 0.1 + EDGE)
        )


def test_cells_too_many_for_one_number_are_told_apart():
    # Three axes of 2**18 cells and 2**11 points do not fit in 63 bits.
    rng = np.random.default_rng(3)
    xyz = rng.integers(0, [[1 << 17, 1 << 17, 1 << 18]] * 2000).astype(float) + 0.5
    xyz[:2] = [[0.5] * 3, [(1 << 18) - 1.5] * 3]
    xyz = np.concatenate([xyz, xyz[:50]])
    found = list(tiles(xyz, 1.0, 700, 3.0))
    assert sorted(np.concatenate([tile.context[tile.core] for tile in found]).tolist()) == list(range(2050))
    for tile in found:
        assert len(tile.held) == len(np.unique(xyz[tile.context], axis=0))


@settings(max_examples=25, deadline=None)
@given(max_voxels=st.integers(1, 3000), far=st.booleans(), seed=st.integers(0, 99))
def test_a_thin_tile_has_the_first_point_of_each_voxel(max_voxels, far, seed):
    xyz = surface(4, seed, density=60)
    if far:
        xyz = np.concatenate([xyz, xyz[:50] + 1e9])
    for tile in tiles(xyz, 0.25, max_voxels, 0.5, 4):
        thin = tile.thinned()
        assert np.array_equal(thin.voxels, tile.voxels)
        assert len(thin.context) == len(tile.held) == len(tile.voxels)
        numbers = np.repeat(np.arange(len(tile.held)), tile.held)
        for number in np.unique(numbers)[:: max(1, len(thin.context) // 20)]:
            mine = numbers == number
            assert thin.context[number] == tile.context[mine].min()
            assert (tile.core[mine] == thin.core[number]).all()
            assert tile.moved is None or (tile.moved[mine] == thin.moved[number]).all()


@given(
    points=st.lists(st.tuples(*[st.integers(-3000, 3000)] * 3), min_size=1, max_size=200), size=st.sampled_from([5, 20])
)
def test_whole_centimeters_lie_in_the_same_voxels_however_they_are_stored(points, size):
    """As a file has them, far from the origin; as the scene that is made of it has them, float32 near zero."""
    centimeters = np.array(points)
    corner = centimeters.min(axis=0) / 100
    far = np.array([4.5e5, 5.4e6, 300.0])
    stored = (centimeters / 100).astype(np.float32).astype(np.float64)
    wanted = np.unique((centimeters - centimeters.min(axis=0)) // size, axis=0)
    for xyz, begin in ((centimeters / 100 + far, corner + far), (stored, stored.min(axis=0))):
        (tile,) = tiles(xyz, size / 100, 10**6, 0.0, corner=begin)
        assert np.array_equal(tile.voxels, wanted)
