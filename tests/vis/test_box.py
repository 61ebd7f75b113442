"""The box to look at: strays change nothing about it, and a cloud without strays is in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.vis.box import core, far_away
from pcseg.vis.cutaway import ceiling_height, inside


def scan(points: int, seed: int, size: tuple[float, float, float] = (40, 30, 6)) -> np.ndarray:
    return (np.random.default_rng(seed).uniform(0, 1, (points, 3)) * size).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(
    points=st.integers(200, 2000), strays=st.integers(1, 5), seed=st.integers(0, 99), axis=st.integers(0, 2),
    far=st.sampled_from([1e3, -1e3, 3e4, -1e6, 1e9, -1e12]),
)  # fmt: skip
def test_strays_are_found_and_do_not_move_the_box(points: int, strays: int, seed: int, axis: int, far: float) -> None:
    coord = scan(points, seed)
    low, high = core(coord)
    rng = np.random.default_rng(seed)
    rows = rng.choice(points, strays, replace=False)
    coord[rows, axis] = far * rng.uniform(1, 2, strays)
    assert far_away(coord).nonzero()[0].tolist() == sorted(rows.tolist())
    moved = core(coord)
    assert np.abs(moved[0] - low).max() < 20
    assert np.abs(moved[1] - high).max() < 20


@settings(max_examples=30, deadline=None)
@given(points=st.integers(1, 300), seed=st.integers(0, 99), size=st.sampled_from([(0, 0, 0), (5, 4, 3), (3000, 10, 2)]))
def test_a_cloud_without_strays_is_shown_whole(points: int, seed: int, size: tuple[float, float, float]) -> None:
    coord = scan(points, seed, size)
    assert not far_away(coord).any()
    low, high = core(coord)
    assert (low >= coord.min(axis=0) - 1e-6).all()
    assert (high <= coord.max(axis=0) + 1e-6).all()
    if points >= 100:
        assert (low <= coord.min(axis=0) + 1e-3 * np.array(size)).all()
        assert (high >= coord.max(axis=0) - 1e-3 * np.array(size)).all()


def test_a_tower_and_a_second_building_are_no_strays() -> None:
    coord = scan(5000, 0, (100, 80, 3))
    coord[:20] = np.c_[np.full(20, 50), np.full(20, 40), np.linspace(0, 90, 20)]
    assert not far_away(coord).any()
    coord[:1000] += [300, 0, 0]
    assert not far_away(coord).any()
    tiles = scan(5000, 0, (1000, 1000, 30))
    tiles[:2000] += [2600, 0, 0]
    assert not far_away(tiles).any()


def test_returns_at_the_origin_of_a_scan_in_utm_are_strays_however_many() -> None:
    coord = scan(5000, 0).astype(np.float64) + np.array([5e5, 5e6, 400])
    coord[:1500] = 0
    assert far_away(coord).nonzero()[0].tolist() == list(range(1500))


@pytest.mark.parametrize("wide", [1e5, 1e12])
def test_a_cloud_of_any_width_is_opened_in_bounded_memory(wide: float) -> None:
    coord = np.random.default_rng(0).uniform(0, wide, (2000, 3))
    coord[:, 2] = np.where(np.arange(2000) % 2, 3.0, 0.0)
    assert np.isfinite(ceiling_height(coord))
    assert inside(coord, 30).any()
