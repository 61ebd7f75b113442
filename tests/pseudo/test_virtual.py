"""Virtual cameras see what there is: roofs, walls and ground from above, all sides of a room from inside."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.pseudo.camera import project
from pcseg.pseudo.project import point_spacing, render, visible
from pcseg.pseudo.virtual import station_cameras, virtual_cameras

GROUND, ROOF, WALLS = 0, 1, 2
SIZE = (60, 80)


def house(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return points and labels of ground around a house of 10 m with walls 4 m high, far from the origin."""
    rng = np.random.default_rng(seed)
    ground = rng.uniform((0, 0, 0), (40, 30, 0), (9000, 3))
    ground = ground[(np.abs(ground[:, :2] - [20, 15]) > 5).any(axis=1)]
    roof = rng.uniform((15, 10, 4), (25, 20, 4), (900, 3))
    side, along = rng.integers(0, 4, 1200), rng.uniform(-5, 5, 1200)
    x, y = np.choose(side, [along, along, -5, 5]), np.choose(side, [-5, 5, along, along])
    walls = np.column_stack([20 + x, 15 + y, rng.uniform(0, 4, 1200)])
    return np.concatenate([ground, roof, walls]) + np.array([5e5, 5e6, 300]), np.repeat(
        np.arange(3), [len(ground), 900, 1200]
    )


def seen_share(cameras: list, points: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return the share of the points of each label that a camera sees."""
    seen, spacing = np.zeros(len(points), dtype=bool), point_spacing(points)
    for camera in cameras:
        seen[visible(camera, points, spacing=spacing)[0]] = True
    return [float(seen[labels == label].mean()) for label in range(labels.max() + 1)]


def test_from_above_and_from_all_sides() -> None:
    points, labels = house()
    down, every = virtual_cameras(points, SIZE, 0.3, tilts=(0.0,)), virtual_cameras(points, SIZE, 0.3)
    assert len(every) == 5 * len(down) > 40
    nadir, every = (seen_share(cameras, points, labels) for cameras in (down, every))
    assert nadir[GROUND] > 0.9
    assert nadir[ROOF] > 0.95
    assert nadir[WALLS] < 0.7 < 0.85 < every[WALLS]


def test_pictures_have_the_resolution_and_hold_points() -> None:
    points, labels = house()
    cameras = virtual_cameras(points, SIZE, resolution=0.5, tilts=(0.0, 45.0))
    assert len(cameras) % 5 == 0
    for camera in cameras:
        known = render(camera, points, labels) >= 0
        assert known.any()
    down = [camera for camera in cameras if camera.pose[2, 2] < -0.99]
    assert len(down) == len(cameras) // 5
    for camera in down:
        center = camera.pose[:3, 3] + np.array([0, 0, -camera.focal * 0.5])
        place, _ = project(camera, center + np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]]))
        np.testing.assert_allclose(place[1] - place[0], [0, 1], atol=1e-6)  # x to the right
        np.testing.assert_allclose(place[2] - place[0], [-1, 0], atol=1e-6)  # y to the top


def test_from_inside_a_room() -> None:
    rng = np.random.default_rng(0)
    side, place = rng.integers(0, 6, 8000), rng.random((8000, 3))
    place[np.arange(8000), side // 2] = side % 2
    points = place * [6, 5, 2.8]
    cameras = station_cameras(points, SIZE)
    assert len(cameras) >= 20
    for camera in cameras:
        assert ((camera.pose[:3, 3] > 0.3) & (camera.pose[:3, 3] < np.array([6, 5, 2.8]) - 0.3)).all()
        assert camera.pose[2, 3] == pytest.approx(1.6, abs=0.05)
    assert min(seen_share(cameras, points, side)) > 0.9


def test_a_place_for_a_station_is_free_and_over_floor() -> None:
    points = np.random.default_rng(0).uniform((0, 0, 0), (4, 4, 2), (30_000, 3))  # full of points
    assert station_cameras(points, SIZE) == []
    assert station_cameras(np.zeros((0, 3)), SIZE) == []
    assert virtual_cameras(np.zeros((0, 3)), SIZE) == []
    assert len(virtual_cameras(np.zeros((1, 3)), SIZE)) == 5


@pytest.mark.parametrize(
    "wrong", [{"resolution": 0.0}, {"resolution": -1.0}, {"overlap": 1.0}, {"tilts": (90.0,)}, {"field": 180.0}]
)
def test_settings_out_of_range(wrong: dict) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        virtual_cameras(np.zeros((1, 3)), SIZE, **wrong)
    with pytest.raises(InputError, match="step"):
        station_cameras(np.zeros((1, 3)), SIZE, step=0)


@pytest.mark.parametrize(
    "many",
    [{"resolution": 1e-4}, {"resolution": 5e-324}, {"resolution": 0.1, "overlap": 0.999}, {"tilts": (45.0,) * 3000}],
)
def test_too_many_views_from_above_are_refused(many: dict) -> None:
    with pytest.raises(InputError, match=r"views of 40\.0 x 30\.0 m, more than 10,000; raise resolution"):
        virtual_cameras(house()[0], SIZE, **many)


def test_too_many_views_from_inside_are_refused() -> None:
    floor = np.random.default_rng(0).uniform((0, 0, 0), (20, 20, 0), (4000, 3))
    assert 0 < len(station_cameras(floor, SIZE)) < 1000
    with pytest.raises(InputError, match=r"step=0\.1: more than 10,000 views"):
        station_cameras(floor, SIZE, step=0.1)
