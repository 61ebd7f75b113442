"""The bulk of a scan: the same with strays and without, and all of an ordinary one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.scenes.bulk import bulk
from pcseg.scenes.places import FARTHEST, usable


@settings(max_examples=50, deadline=None)
@given(
    extent=st.floats(0.1, 300),
    far=st.lists(st.tuples(*[st.sampled_from([-1, 1]), st.floats(500, 1e12), st.integers(0, 2)]), max_size=20),
    seed=st.integers(0, 99),
)
def test_strays_are_told_from_the_bulk_wherever_they_are(extent, far, seed):
    rng = np.random.default_rng(seed)
    scan = rng.uniform(0, extent, (200, 3))
    strays = rng.uniform(0, extent, (len(far), 3))
    for row, (sign, distance, axis) in zip(strays, far, strict=True):
        row[axis] += sign * (distance + extent)
    turn = rng.permutation(200 + len(far))
    inside = bulk(np.concatenate([scan, strays])[turn], 100.0)
    assert np.array_equal(np.sort(turn[inside]), np.arange(200))


def test_two_scans_in_one_file_are_told_by_any_axis():
    rng = np.random.default_rng(0)
    large, small = rng.uniform(0, 5, (300, 3)), rng.uniform(0, 5, (200, 3))
    for axis in range(3):
        both = np.concatenate([small + 1000 * np.eye(3)[axis], large])
        assert np.array_equal(bulk(both, 50.0), np.arange(500) >= 200)


def test_what_no_single_axis_tells_apart_is_told_in_turn():
    corner = np.array([[0.0, 0, 0]] * 5 + [[900.0, 0, 0]] * 3 + [[900.0, 900, 0]] * 4)
    assert np.array_equal(bulk(corner, 50.0), np.arange(12) >= 8)  # x keeps 7 of 12 points, then y 4 of these 7


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_an_ordinary_scan_is_all_bulk(kind):
    scan = np.random.default_rng(0).uniform((4.5e5, 5.4e6, 0), (4.5e5 + 900, 5.4e6 + 900, 40), (3000, 3))
    assert bulk(scan.astype(kind), 51.2).all()
    assert bulk(scan[:1].astype(kind), 51.2).all()


def test_a_place_is_finite_and_not_beyond_the_farthest():
    values = np.array([0, -FARTHEST, FARTHEST, 1.01 * FARTHEST, 1e19, -3.4e38, 1e300, np.nan, np.inf, -np.inf])
    for axis in range(3):
        coord = np.zeros((len(values), 3))
        coord[:, axis] = values
        assert usable(coord).tolist() == [True] * 3 + [False] * 7
    assert usable(np.float32([[1e19, 0, 0], [1, 2, 3]])).tolist() == [False, True]


def test_points_in_one_place_are_no_bulk_beside_others():
    scan = np.random.default_rng(0).uniform(5e5, 5e5 + 30, (100, 3))
    for piles in ([[0, 0, 0]], [[0, 0, 0], [-9999, -9999, -9999]]):
        coord = np.concatenate([np.repeat(np.float64(piles), 500, axis=0), scan])
        assert np.array_equal(bulk(coord, 50.0), np.arange(len(coord)) >= len(coord) - 100)
