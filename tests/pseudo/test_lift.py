"""Labels of many views on points: means, unknown pixels, confidence, and views whose depth is of another camera."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo.camera import Camera
from pcseg.pseudo.lift import DOUBT, Lifted, View, lift
from tests.pseudo.views import BOARD, INTRINSIC, SIZE, camera, cloud, hidden, picture, pose

POINTS, LABELS = cloud()
VIEWS = [camera(), camera(0.8, 0.3), camera(-1.0, -0.3)]


def seen_by(view: Camera) -> np.ndarray:
    """Return the points (P,) that are in the picture and not hidden, one by one."""
    matrix = INTRINSIC @ np.linalg.inv(view.pose)[:3]
    u, v, w = matrix @ np.column_stack([POINTS, np.ones(len(POINTS))]).T
    inside = (w > 0) & (u >= -0.5 * w) & (u < 95.5 * w) & (v >= -0.5 * w) & (v < 71.5 * w)
    return np.asarray(inside & ~hidden(view, POINTS))


@pytest.mark.parametrize("measured", [True, False])
def test_true_labels_come_to_the_points_that_are_seen(measured: bool) -> None:
    pictures = [picture(view) for view in VIEWS]
    views = [View(v, label, depth if measured else None) for v, (depth, label) in zip(VIEWS, pictures, strict=True)]
    lifted = lift(POINTS, views, 2)
    count = sum(seen_by(view).astype(int) for view in VIEWS)
    assert (lifted.views == count).mean() > (0.98 if measured else 0.9)
    known = lifted.views > 0
    assert (lifted.labels == LABELS)[known].mean() > 0.99
    assert (lifted.labels[~known] == IGNORE).all()
    assert (lifted.confidence[~known] == 0).all()
    assert (lifted.labels[LABELS == BOARD] == BOARD).mean() > 0.95


def test_a_point_has_the_mean_of_the_views_that_see_it() -> None:
    points = np.array([[0, 2.0, 0], [0, 90.0, 0], [0, -1.0, 0]])
    depth, rng = np.full(SIZE, 2.0), np.random.default_rng(0)
    values = rng.dirichlet(np.ones(4), (5, *SIZE)).astype(np.float16)
    lifted = lift(points, (View(camera(), value, depth) for value in values), 4)
    assert lifted.views.tolist() == [5, 0, 0]
    pixel = values[:, 36, 48].astype(np.float64)  # the center of the picture, at 35.5 and 47.5, is rounded up
    np.testing.assert_allclose(lifted.probabilities[0], pixel.mean(axis=0), rtol=1e-3)
    assert lifted.labels.tolist() == [pixel.mean(axis=0).argmax(), IGNORE, IGNORE]
    assert (lifted.probabilities[1:] == 0).all()


def test_unknown_pixels_are_no_views() -> None:
    points, depth = np.array([[0, 2.0, 0]]), np.full(SIZE, 2.0)
    unknown = np.full(SIZE, IGNORE)
    nothing, half = np.zeros((*SIZE, 3)), np.broadcast_to([0.5, 0, 0], (*SIZE, 3))
    views = [View(camera(), labels, depth) for labels in (unknown, np.full(SIZE, 2), nothing, half)]
    lifted = lift(points, views, 3)
    assert lifted.views.tolist() == [2]
    np.testing.assert_allclose(lifted.probabilities[0], [0.25, 0, 0.5])
    for views in ([View(camera(), unknown, depth)], []):
        assert lift(points, views, 3).labels.tolist() == [IGNORE]


def test_confidence_grows_with_agreement_and_with_views() -> None:
    mean = np.array([[1, 0], [1, 0], [0.75, 0.25], [0, 0]], dtype=np.float32)
    confidence = Lifted(mean, np.array([1, 4, 4, 0])).confidence
    np.testing.assert_allclose(confidence, [1 / (1 + DOUBT), 4 / (4 + DOUBT), 3 / (4 + DOUBT), 0])
    assert confidence.dtype == np.float32


def test_depths_of_another_camera_or_resolution() -> None:
    """Of half the resolution or another focal length, they tell the same points apart, but for edges."""
    depth, label = picture(VIEWS[1])
    whole = lift(POINTS, [View(VIEWS[1], label, depth)], 2)
    coarse = lift(POINTS, [View(VIEWS[1], label, depth[::2, ::2])], 2)
    assert (whole.labels == coarse.labels).mean() > 0.97
    wide = Camera(np.array([[45.0, 0, 47.5], [0, 45, 35.5], [0, 0, 1]]), pose(0.8, 0.3), SIZE)
    row, column = np.indices(SIZE)
    ray = np.stack([(column - 47.5) / 45, (row - 35.5) / 45, np.ones(SIZE)], axis=-1) @ wide.pose[:3, :3].T
    board = (np.abs((wide.pose[:3, 3] + 2 / ray[..., 1:2] * ray)[..., [0, 2]]) <= [0.5, 0.4]).all(axis=-1)
    other = lift(POINTS, [View(VIEWS[1], label, np.where(board, 2, 3) / ray[..., 1], wide)], 2)
    assert (whole.labels == other.labels).mean() > 0.97


def test_labels_that_cannot_be_are_refused() -> None:
    points, depth = np.array([[0, 2.0, 0]]), np.full(SIZE, 2.0)
    for wrong in (3, -2):
        with pytest.raises(InputError, match=f"view 0: label {wrong} or {wrong} is none of 3 classes"):
            lift(points, [View(camera(), np.full(SIZE, wrong), depth)], 3)
    for shape in ((5, 5), (*SIZE, 2), (72, 95)):
        with pytest.raises(InputError, match=r"view 0: labels .*; give \(72, 96\), or probabilities of 3 classes too"):
            lift(points, [View(camera(), np.zeros(shape, int), depth)], 3)
    with pytest.raises(InputError, match="its camera takes 96 x 72, of another shape"):
        lift(points, [View(camera(), np.zeros(SIZE, int), np.ones((50, 50)))], 3)
