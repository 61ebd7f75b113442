"""The pinhole camera: points to pixels and back, pictures of other sizes."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.pseudo.camera import Camera, backproject, pixels_of, project
from tests.pseudo.views import INTRINSIC, SIZE, camera, pose

SKEW = np.array([[80.0, 3, 40], [0, 95, 30], [0, 0, 1]])


@pytest.mark.parametrize("intrinsic", [INTRINSIC, SKEW])
def test_pixels_come_back_exactly(intrinsic: np.ndarray) -> None:
    view = Camera(intrinsic, pose(0.7, 0.4), SIZE)
    depth = np.random.default_rng(0).uniform(0.2, 9, SIZE).astype(np.float32)
    depth[5, 7], depth[0, 0], depth[1, 1] = 0, np.nan, np.inf
    points, pixels = backproject(view, depth)
    known = np.argwhere(np.isfinite(depth) & (depth > 0))
    np.testing.assert_array_equal(pixels, known)
    place, z = project(view, points)
    np.testing.assert_allclose(place, known, atol=1e-9)
    np.testing.assert_allclose(z, depth[tuple(known.T)], rtol=1e-12)
    rows, found, _ = pixels_of(view, points)
    np.testing.assert_array_equal(rows, np.arange(len(points)))
    np.testing.assert_array_equal(found, known)


def test_each_point_is_where_homogeneous_coordinates_put_it() -> None:
    view = Camera(SKEW, pose(-0.3, -1.1), SIZE)
    points = np.random.default_rng(1).normal(0, 3, (500, 3))
    matrix = np.column_stack([SKEW, np.zeros(3)]) @ np.linalg.inv(view.pose)
    inside = []
    for row, point in enumerate(points):
        u, v, w = matrix @ [*point, 1]
        if w > 0 and -0.5 <= u / w < SIZE[1] - 0.5 and -0.5 <= v / w < SIZE[0] - 0.5:
            inside.append((row, round(v / w), round(u / w)))
    rows, pixels, _ = pixels_of(view, points)
    assert np.column_stack([rows, pixels]).tolist() == [list(found) for found in inside]
    assert 20 < len(inside) < 400
    place, z = project(view, points)
    assert np.isnan(place[z <= 0]).all()


def test_points_behind_or_in_the_camera_are_in_no_picture() -> None:
    view = camera()
    behind = np.array([[0, -2.0, 0], [0, 0, 0], [1, 0, 0]])
    assert len(pixels_of(view, behind)[0]) == 0
    assert len(pixels_of(view, np.zeros((0, 3)))[0]) == 0


def test_a_picture_of_another_size_shows_the_same() -> None:
    view = camera(0.2, 0.1)
    points = np.random.default_rng(2).uniform((-1, 2, -1), (1, 4, 1), (300, 3))
    place, _ = project(view, points)
    for factor in (0.5, 2, 1.25):
        other = view.of_size((round(SIZE[0] * factor), round(SIZE[1] * factor)))
        np.testing.assert_allclose(project(other, points)[0], (place + 0.5) * factor - 0.5, atol=1e-9)
    assert view.of_size(SIZE) is view
    with pytest.raises(InputError, match="96 x 90 pixels, but its camera takes 96 x 72, of another shape"):
        view.of_size((90, 96))


def test_matrices_that_are_of_no_camera_are_refused() -> None:
    lost = pose()
    lost[:3] = -np.inf
    for wrong in (lost, np.full((4, 4), np.nan)):
        with pytest.raises(InputError, match="NaN or infinity, tracking was lost; leave this frame out"):
            Camera(INTRINSIC, wrong, SIZE)
    with pytest.raises(InputError, match="not a rotation and a shift"):
        Camera(INTRINSIC, np.diag([1.0, 1, -1, 1]), SIZE)
    with pytest.raises(InputError, match="is no intrinsic matrix"):
        Camera(np.zeros((3, 3)), pose(), SIZE)
    with pytest.raises(InputError, match=r"size=\(0, 5\)"):
        Camera(INTRINSIC, pose(), (0, 5))
    with pytest.raises(InputError, match=r"depth: a picture of \(5, 5\) for a camera of \(72, 96\)"):
        backproject(camera(), np.ones((5, 5)))
