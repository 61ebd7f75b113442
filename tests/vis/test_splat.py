"""Camera, z-buffer, lighting, and the cut through ceiling and near walls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.vis.cutaway import ceiling_height, inside
from pcseg.vis.splat import eye_dome, fit_camera, splat, surface
from tests.vis.clouds import room


@settings(max_examples=40, deadline=None)
@given(
    points=st.integers(1, 40), azimuth=st.floats(-180, 180), elevation=st.floats(5, 89),
    stretch=st.sampled_from([0.0, 0.01, 1.0, 300.0]), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_camera_sees_all_and_no_more_than_needed(
    points: int, azimuth: float, elevation: float, stretch: float, seed: int
) -> None:
    coord = np.random.default_rng(seed).normal(size=(points, 3)) * (1, stretch, 0.5) + 20
    camera = fit_camera(coord, 120, 80, azimuth, elevation)
    pixel, depth = camera.project(coord)
    assert (depth > 0).all()
    assert (pixel > -1e-6).all()
    assert (pixel < np.array([120, 80]) + 1e-6).all()
    if points > 1 and depth.min() > 0.01:  # nearer than that it does not go, be all points in one line of sight
        assert max(np.ptp(pixel[:, 0]) / 120, np.ptp(pixel[:, 1]) / 80) > 0.9


def test_up_is_up_and_right_is_right() -> None:
    coord = np.array([[0.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    pixel, depth = fit_camera(coord, 100, 100, azimuth=0, elevation=30).project(coord)
    assert pixel[1, 1] < pixel[0, 1]  # higher in the room, nearer to the top of the picture
    assert pixel[2, 0] > pixel[0, 0]  # the camera stands at +x: +y is to its right
    assert depth[1] < depth[0]


@settings(max_examples=25, deadline=None)
@given(points=st.integers(1, 60), radius=st.sampled_from([0.0, 0.05, 0.3]), seed=st.integers(0, 99))
def test_every_pixel_shows_the_nearest_of_the_discs_over_it(points: int, radius: float, seed: int) -> None:
    """Against a loop over pixels: what is in the frustum and not hidden is drawn, what is hidden changes nothing."""
    rng = np.random.default_rng(seed)
    coord = rng.normal(size=(points, 3))
    camera = fit_camera(coord, 32, 24, 20, 40)
    winner, depth = splat(camera, coord, np.full(points, radius), largest=4)
    pixel, away = camera.project(coord)
    expected = np.full((24, 32), -1)
    for p in np.argsort(-away):
        size = min(camera.focal * radius / away[p], 4)
        column, row = np.floor(pixel[p]).astype(int)
        for y in range(24):
            for x in range(32):
                if (x, y) == (column, row) or np.hypot(x - column, y - row) <= size:
                    expected[y, x] = p
    assert (winner == expected).all()
    assert (np.isinf(depth) == (winner < 0)).all()
    assert (depth[winner >= 0] == away[winner[winner >= 0]]).all()


def test_points_behind_the_camera_are_not_drawn() -> None:
    coord = np.array([[0.0, 0, 0], [1, 0, 0]])
    camera = fit_camera(coord, 40, 40)
    behind = camera.eye - 2 * camera.axes[2]
    winner, _ = splat(camera, np.vstack([coord, behind]), np.full(3, 0.1))
    assert set(np.unique(winner)) == {-1, 0, 1}


def test_lighting_darkens_what_lies_behind_an_edge_only() -> None:
    depth = np.full((20, 20), 5.0)
    assert (eye_dome(depth) == 1).all()
    depth[:, :10] = 3.0
    depth[0] = np.inf
    light = eye_dome(depth)
    assert (light[1:, :10] == 1).all()
    assert (light[6:-6, 10] < 0.8).all()
    assert (light[0] == 1).all()


@pytest.mark.parametrize("points", [1, 2, 3, 4, 12])
def test_few_points_have_a_size_and_light(points: int) -> None:
    radius, light = surface(np.zeros((points, 3)) + np.arange(points)[:, None])
    assert (radius > 0).all()
    assert ((light > 0) & (light <= 1)).all()


def test_floor_and_wall_are_lit_differently() -> None:
    view = room(4000)
    assert view.truth is not None
    _, light = surface(view.coord)
    assert np.median(light[view.truth == 0]) > np.median(light[view.truth == 1]) + 0.05


def test_ceiling_and_near_walls_go_and_furniture_stays() -> None:
    view = room(6000)
    assert view.truth is not None
    left = inside(view.coord, azimuth=0)  # the camera stands at +x
    x, _, z = view.coord.T
    assert not left[view.truth == 2].any()
    assert left[(view.truth == 3) | (view.truth == 0)].all()
    assert not left[(x > 3.9) & (z > 0.5)].any()
    assert left[(x < 0.1) & (z < 2.0)].all()


def test_a_cloud_without_a_ceiling_is_left_whole() -> None:
    view = room(6000)
    assert view.truth is not None
    outdoors = view.coord[view.truth != 2]
    assert ceiling_height(outdoors) > outdoors[:, 2].max()
    assert inside(outdoors, 0).all()
