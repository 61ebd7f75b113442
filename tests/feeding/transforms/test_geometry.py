"""Rotations, scales, flips, noise and bending: what they keep and how far they go."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from pcseg.errors import InputError
from pcseg.feeding.transforms import Elastic, Flip, Jitter, RotateZ, Scale, Shift, Tilt
from pcseg.scenes.points import Points
from tests.feeding.transforms.clouds import cloud

POINTS = cloud()
seeds = st.integers(0, 2**32)


def distances(points: Points) -> np.ndarray:
    return np.asarray(pdist(points.coord))


@given(seed=seeds)
@settings(max_examples=50, deadline=None)
def test_rigid_motions_keep_distances_and_turn_normals_along(seed: int) -> None:
    for transform in (RotateZ(), Tilt(10), Flip()):
        after = transform(POINTS, np.random.default_rng(seed))
        assert np.allclose(distances(after), distances(POINTS), atol=1e-5)
        assert POINTS.normal is not None
        assert after.normal is not None
        moved = POINTS.coord @ POINTS.normal.T
        assert np.allclose(after.coord @ after.normal.T, moved, atol=1e-5)


@given(seed=seeds, degrees=st.floats(0, 180))
@settings(max_examples=50, deadline=None)
def test_rotation_about_the_vertical_keeps_z_and_stays_in_range(seed: int, degrees: float) -> None:
    after = RotateZ(degrees)(POINTS, np.random.default_rng(seed))
    assert np.array_equal(after.coord[:, 2], POINTS.coord[:, 2])
    assert np.array_equal(after.height, POINTS.height)
    before, now = (p.coord[:, 0].astype(np.float64) + 1j * p.coord[:, 1] for p in (POINTS, after))
    assert np.abs(np.angle(now / before, deg=True)).max() <= degrees + 0.01


def test_rotations_go_all_round_and_keep_handedness() -> None:
    first = np.array([RotateZ()(POINTS, np.random.default_rng(s)).coord[0] for s in range(300)])
    assert (np.histogram(np.arctan2(first[:, 1], first[:, 0]), bins=4, range=(-np.pi, np.pi))[0] > 45).all()
    corner = Points(np.eye(3, dtype=np.float32))
    for transform in (RotateZ(), Tilt(20)):
        turned = transform(corner, np.random.default_rng(1)).coord
        assert np.linalg.det(turned.astype(np.float64)) == pytest.approx(1, abs=1e-5)


def test_tilt_is_small() -> None:
    up = Points(np.array([[0, 0, 1]], np.float32))
    steepest = max(np.linalg.norm(Tilt(3)(up, np.random.default_rng(s)).coord[0, :2]) for s in range(200))
    assert np.sin(np.radians(2.5)) < steepest < np.sin(np.radians(3)) * np.sqrt(2)


@given(seed=seeds)
@settings(max_examples=50, deadline=None)
def test_scale_multiplies_distances_and_heights(seed: int) -> None:
    after = Scale(0.5, 2.0)(POINTS, np.random.default_rng(seed))
    factor = distances(after) / distances(POINTS)
    assert np.allclose(factor, factor[0], rtol=1e-4)
    assert 0.5 - 1e-4 <= factor[0] <= 2 + 1e-4
    assert np.allclose(after.height, after.coord[:, 2], atol=1e-5)
    above = {"ground_height(cell=1)": POINTS.height, "planarity(radius=1)": POINTS.height}
    stretched = Scale(0.5, 2.0)(POINTS.having(**above), np.random.default_rng(seed)).attributes
    assert np.array_equal(stretched["ground_height(cell=1)"], stretched["height"])
    assert np.array_equal(stretched["planarity(radius=1)"], POINTS.height)
    uneven = Scale(0.5, 2.0, anisotropic=True)(POINTS, np.random.default_rng(seed)).coord / POINTS.coord
    assert np.allclose(uneven, uneven[0], rtol=1e-3)
    assert len(set(uneven[0].round(4).tolist())) == 3


def test_normals_stay_perpendicular_to_a_stretched_surface() -> None:
    rng = np.random.default_rng(0)
    coord = rng.random((50, 3)).astype(np.float32)
    coord[:, 2] = coord[:, 0]  # the plane z = x
    normal = np.tile(np.array([-1, 0, 1], np.float32) / np.sqrt(2).astype(np.float32), (50, 1))
    after = Scale(0.3, 3.0, anisotropic=True)(Points(coord, {"normal": normal}), np.random.default_rng(2))
    assert after.normal is not None
    assert np.allclose((after.coord - after.coord[0]) @ after.normal[0], 0, atol=1e-5)


def test_flips_mirror_each_horizontal_axis_half_of_the_time() -> None:
    coords = [Flip()(POINTS, np.random.default_rng(s)).coord for s in range(200)]
    signs = Counter(tuple((coord[0] / POINTS.coord[0]).round().tolist()) for coord in coords)
    assert set(signs) == {(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, 1)}
    assert min(signs.values()) > 30
    assert np.array_equal(Flip(0)(POINTS, np.random.default_rng(0)).coord, POINTS.coord)


@given(seed=seeds)
@settings(max_examples=50, deadline=None)
def test_jitter_is_bounded_and_shift_is_common(seed: int) -> None:
    noise = Jitter(0.5, 0.1)(POINTS, np.random.default_rng(seed)).coord - POINTS.coord
    assert 0.09 < np.abs(noise).max() < 0.1 + 1e-5
    shifted = Shift(0.3)(POINTS, np.random.default_rng(seed))
    offset = shifted.coord - POINTS.coord
    assert np.allclose(offset, offset[0], atol=1e-6)
    assert np.abs(offset).max() <= 0.3 + 1e-6
    assert np.array_equal(shifted.height, POINTS.height)


def test_bending_is_smooth() -> None:
    """Neighbors move nearly alike, distant points do not: the ratio of the two grows as they come closer."""
    line = np.zeros((801, 3), dtype=np.float32)
    line[:, 0] = np.linspace(0, 8, 801)
    points = Points(line)
    offsets = np.stack([Elastic(0.2, 0.4)(points, np.random.default_rng(s)).coord - line for s in range(20)])
    step = np.abs(np.diff(offsets, axis=1)).mean()
    far = np.abs(offsets[:, 400:] - offsets[:, :-400]).mean()
    assert 0.02 < np.abs(offsets).mean() < 0.2
    assert step < 0.15 * far
    twice = Elastic(0.2, 0.8)(points, np.random.default_rng(0)).coord - line
    assert np.allclose(twice, 2 * offsets[0], atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [lambda: Scale(0, 1), lambda: Scale(1.2, 0.8), lambda: Elastic(0, 1), lambda: Elastic(0.2, -1)],
)
def test_values_that_cannot_work_are_refused(make: object) -> None:
    with pytest.raises(InputError, match=r"Scale|Elastic"):
        make()  # type: ignore[operator]
