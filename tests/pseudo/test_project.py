"""What a camera sees of points, and points drawn as pictures, against rays that are intersected one by one."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo.camera import Camera, pixels_of
from pcseg.pseudo.project import depth_buffer, nearest_points, point_spacing, render, visible, warp_depth
from tests.pseudo.views import BOARD, SIZE, WALL, camera, cloud, hidden, picture

POINTS, LABELS = cloud()
VIEWS = [camera(), camera(0.8, 0.3), camera(-1.0, -0.3)]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("measured", [True, False])
def test_what_the_board_hides_is_not_seen(view: Camera, measured: bool) -> None:
    """Beyond a margin of two pixels around the edge of the board, and of a point's square without a depth picture."""
    rows, pixels = visible(view, POINTS, picture(view)[0] if measured else None)
    inside, where, _ = pixels_of(view, POINTS)
    seen = np.zeros(len(POINTS), dtype=bool)
    seen[rows] = True
    assert not seen[hidden(view, POINTS, -0.07)].any()
    open_ = np.zeros(len(POINTS), dtype=bool)
    open_[inside] = True
    open_ &= ~hidden(view, POINTS, 0.12)
    assert hidden(view, POINTS[inside], -0.07).sum() > 100
    assert seen[open_].mean() > (0.99 if measured else 0.97)
    np.testing.assert_array_equal(pixels, where[np.searchsorted(inside, rows)])


def test_where_the_depth_is_unknown_nothing_is_seen() -> None:
    view = VIEWS[0]
    depth, _ = picture(view)
    for unknown in (0, np.nan, np.inf, -np.inf):
        half = depth.copy()
        half[:, :40] = unknown
        rows, pixels = visible(view, POINTS, half)
        assert len(rows) > 1000
        assert (pixels[:, 1] >= 40).all()


def test_the_tolerance_is_a_share_of_the_depth() -> None:
    view = VIEWS[0]
    points = np.array([[0, 2.0 * s, 0] for s in (0.96, 0.98, 1, 1.02, 1.04)])
    rows, _ = visible(view, points, np.full(SIZE, 2.0), tolerance=0.03)
    assert rows.tolist() == [1, 2, 3]


@pytest.mark.parametrize("view", VIEWS)
def test_the_depth_buffer_is_that_of_the_rays(view: Camera) -> None:
    found, (depth, _) = depth_buffer(view, POINTS), picture(view)
    known = np.isfinite(found)
    assert known.mean() > 0.95
    assert (np.abs(found - depth)[known] < 0.05 * depth[known]).mean() > 0.95


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("measured", [True, False])
def test_labels_are_drawn_where_rays_find_them(view: Camera, measured: bool) -> None:
    depth, label = picture(view)
    drawn = render(view, POINTS, LABELS, depth=depth if measured else None)
    known = drawn != IGNORE
    assert known.mean() > 0.93
    assert (drawn == label)[known].mean() > (0.995 if measured else 0.96)
    assert {WALL, BOARD} == set(drawn[known].tolist())
    row = nearest_points(view, POINTS, depth if measured else None)
    np.testing.assert_array_equal(drawn, np.where(row >= 0, LABELS[row], IGNORE))


@pytest.mark.parametrize("view", VIEWS)
def test_no_label_is_drawn_over_an_edge_that_the_depth_shows(view: Camera) -> None:
    """Points far apart stand for many pixels around them, but not for those at another depth."""
    points, labels = cloud(1500)
    depth, label = picture(view)
    drawn = render(view, points, labels, depth=depth)
    known = drawn != IGNORE
    assert known.mean() > 0.8
    np.testing.assert_array_equal(drawn[known], label[known])


def test_a_pixel_has_the_nearest_of_its_points() -> None:
    points = np.array([[0, 2.0, 0], [0, 2.01, 0], [0, 5.0, 0], [0.02, 2.02, 0]])
    row = nearest_points(VIEWS[0], points, spacing=np.zeros(4))
    inside, pixels, _ = pixels_of(VIEWS[0], points)
    assert row[tuple(pixels[0])] == 0
    assert set(row[row >= 0].tolist()) <= {0, 3}
    assert inside.tolist() == [0, 1, 2, 3]


def test_colors_are_drawn_too_and_nothing_where_no_point_is() -> None:
    colors = np.stack([np.full(len(POINTS), 200), 50 * LABELS, np.zeros(len(POINTS))], axis=1).astype(np.uint8)
    away = camera(0, np.pi)  # to the other side
    assert (render(away, POINTS, colors, 0) == 0).all()
    drawn = render(VIEWS[0], POINTS, colors, 7)
    assert drawn.dtype == np.uint8
    assert drawn.shape == (*SIZE, 3)
    assert set(drawn[..., 0].reshape(-1).tolist()) <= {200, 7}
    assert drawn[36, 48].tolist() == [200, 50, 0]
    assert (render(VIEWS[0], np.zeros((0, 3)), np.zeros(0, np.int16)) == IGNORE).all()


def test_depths_of_another_camera() -> None:
    view = VIEWS[1]
    depth = picture(view)[0].astype(np.float32)
    depth[:, :3] = 0
    np.testing.assert_allclose(warp_depth(depth, view, view), depth, rtol=1e-6)
    other = Camera(np.array([[170.0, 0, 90], [0, 170, 75], [0, 0, 1]]), view.pose, (150, 180))
    found = warp_depth(picture(view)[0], view, other)
    row, column = np.indices(other.size)
    local = np.stack([(column - 90) / 170, (row - 75) / 170, np.ones(other.size)], axis=-1)
    ray = local @ other.pose[:3, :3].T
    known = found > 0
    assert known.mean() > 0.9
    on_wall = np.abs(found - 3 / ray[..., 1]) < 0.05 * found
    on_board = np.abs(found - 2 / ray[..., 1]) < 0.05 * found
    assert (on_wall | on_board)[known].mean() > 0.99
    assert 0.02 < on_board[known].mean() < 0.4


def test_spacing_of_points() -> None:
    points = np.random.default_rng(0).random((300, 3))
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    wanted = np.sort(distance, axis=1)[:, 3]
    np.testing.assert_allclose(point_spacing(points), np.minimum(wanted, 3 * np.median(wanted)))
    assert point_spacing(np.zeros((0, 3))).tolist() == []
    assert point_spacing(np.zeros((2, 3))).tolist() == [0, 0]


def test_a_depth_picture_of_another_size_is_refused() -> None:
    for draw in (visible, nearest_points):
        with pytest.raises(InputError, match=r"depth: a picture of \(5, 5\) for a camera of \(72, 96\)"):
            draw(VIEWS[0], POINTS, np.ones((5, 5)))
