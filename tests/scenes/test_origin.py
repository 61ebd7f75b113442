"""The frame of a scene: precise for the bulk whatever strays there are, and the same as ever where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pcseg.scenes.origin import FAR, precision, recenter, strays

ROOM = np.random.default_rng(0).random((3000, 3)) * [5, 4, 2.5]
UTM = np.array([500_000.0, 5_000_000.0, 100.0])
places = arrays.arrays(np.float64, 3, elements=st.floats(-1e7, 1e7))


@given(arrays.arrays(np.float64, (5, 3), elements=st.floats(-100, 100)), places)
def test_recentering_loses_less_than_a_tenth_of_a_millimeter(coord: np.ndarray, shift: np.ndarray) -> None:
    near, origin = recenter(coord + shift)
    assert near.dtype == np.float32
    np.testing.assert_allclose(near + origin, coord + shift, rtol=0, atol=1e-4)
    if np.abs(coord + shift).max() <= FAR:
        assert not origin.any()


@given(
    places,
    arrays.arrays(np.float64, st.tuples(st.integers(1, 1000), st.just(3)), elements=st.floats(-1e12, 1e12)),
)
def test_no_stray_costs_the_bulk_its_precision(shift: np.ndarray, far: np.ndarray) -> None:
    coord = np.concatenate([far, ROOM + shift])
    near, origin = recenter(coord)
    np.testing.assert_allclose(near[len(far) :] + origin, ROOM + shift, rtol=0, atol=2e-3)
    apart = strays(coord)
    assert not apart[len(far) :].any()
    exact = precision(coord, near, origin, apart)
    error = np.abs(near.astype(np.float64) + origin - coord).max(axis=1)
    assert exact == (error[~apart].max(), error.max())


@pytest.mark.parametrize("stray", [(0, 0, 0), (500_000, 5_000_000, -1e9), (-3e7, 5e6, 100), (1e11, 1e11, 1e11)])
def test_a_stray_is_told_and_the_frame_is_that_without_it(stray: tuple[float, float, float]) -> None:
    coord = np.concatenate([ROOM + UTM, [stray] * 10])
    assert np.flatnonzero(strays(coord)).tolist() == list(range(3000, 3010))
    near, origin = recenter(coord)
    alone, same = recenter(ROOM + UTM)
    np.testing.assert_array_equal(origin, same)
    np.testing.assert_array_equal(near[:3000], alone)
    near, origin = recenter(np.concatenate([ROOM, [stray] * 10]))
    np.testing.assert_array_equal(near[:3000], ROOM.astype(np.float32))  # near zero it stays as it is, to the bit
    assert not origin.any()


@pytest.mark.parametrize("size", [(3000, 2000, 50), (50_000, 10, 10)])
def test_wide_scans_have_no_strays(size: tuple[float, float, float]) -> None:
    coord = np.random.default_rng(0).random((20_000, 3)) * size + UTM
    assert not strays(coord).any()
    _, origin = recenter(coord)
    np.testing.assert_array_equal(origin, np.floor(coord.min(axis=0)))


def test_points_scattered_wide_have_no_bulk_and_so_no_strays() -> None:
    coord = np.random.default_rng(0).random((3000, 3)) * [1e6, 1e6, 10]
    assert not strays(coord).any()
    near, origin = recenter(coord)
    bulk, everything = precision(coord, near, origin, strays(coord))
    assert bulk == everything > 0.001  # and that is said


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_points(count: int) -> None:
    coord = np.full((count, 3), 1e6)
    near, origin = recenter(coord)
    assert near.shape == (count, 3)
    np.testing.assert_array_equal(near + origin, coord)
    assert strays(coord).tolist() == [False] * count
    assert precision(coord, near, origin, strays(coord)) == (0.0, 0.0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.6, 0.95])
def test_directions_without_a_return_are_no_bulk_however_many(share: float) -> None:
    scan = np.random.default_rng(0).uniform((691234, 5334567, 512), (691264, 5334597, 517), (400, 3))
    for place in ((0, 0, 0), (-9999, -9999, -9999)):
        coord = np.concatenate([np.tile(np.float64(place), (int(400 * share / (1 - share)), 1)), scan])
        apart = strays(coord)
        near, origin = recenter(coord, apart)
        assert np.flatnonzero(~apart).tolist() == list(range(len(coord) - 400, len(coord)))
        assert precision(coord, near, origin, apart)[0] < 1e-5


def test_two_piles_of_points_are_a_scan_of_no_bulk_but_one() -> None:
    coord = np.repeat([[0.0, 0, 0], [9000.0, 0, 0]], [5, 3], axis=0)
    assert np.flatnonzero(strays(coord)).tolist() == [5, 6, 7]
