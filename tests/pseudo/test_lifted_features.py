"""Principal components against a singular value decomposition, and features of two views on the points they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.formats.frame import Frame, Sensor
from pcseg.pseudo.camera import Camera
from pcseg.pseudo.lifted_features import REACH, Basis, feature_maps, lift_features
from tests.pseudo.views import BOARD, INTRINSIC, SIZE, WALL, camera, cloud, picture

POINTS, LABELS = cloud(6000)


def test_components_are_those_of_most_variance() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 10)) * [5, 2, 1, 1, 1, 1, 1, 1, 1, 3] + rng.normal(size=10)
    basis = Basis.fit((part.reshape(10, 20, 10) for part in np.split(rows, 3)), 2)
    _, _, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(axes[:2] @ basis.axes), np.eye(2), atol=1e-4)
    np.testing.assert_allclose(basis.mean, rows.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(basis(rows), (rows - rows.mean(axis=0)) @ basis.axes, atol=1e-3)
    assert (basis.axes[np.abs(basis.axes).argmax(axis=0), [0, 1]] > 0).all()
    with pytest.raises(InputError, match=r"features of 4 channels, the basis has 10"):
        basis(np.zeros((2, 4)))
    for components in (0, 11):
        with pytest.raises(InputError, match=f"components={components}: features have 10 channels"):
            Basis.fit([rows.reshape(20, 30, 10)], components)
    with pytest.raises(InputError, match="components=1"):
        Basis.fit([], 1)


def test_a_basis_comes_back_from_its_file(tmp_path: Path) -> None:
    basis = Basis.fit([np.random.default_rng(0).random((8, 9, 5))], 3)
    basis.save(tmp_path / "a.npz")
    found = Basis.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.axes, basis.axes)
    np.testing.assert_array_equal(found.mean, basis.mean)
    np.savez(tmp_path / "b.npz", mean=np.zeros(3), axes=np.zeros((4, 2)))
    with pytest.raises(InputError, match="holds no basis"):
        Basis.load(tmp_path / "b.npz")


class Board:
    """Frames of the wall, gray, and the board before it, white, with depths or without."""

    path, names, remarks = Path("board"), ("0", "1"), ()

    def __init__(self, measured: bool) -> None:
        self.measured = measured

    def frame(self, name: str) -> Frame:
        view: Camera = (camera(), camera(0.8, 0.3))[int(name)]
        depth, label = picture(view)
        color = np.where(label == BOARD, 255, 50).astype(np.uint8)[..., None].repeat(3, axis=-1)
        sensor = Sensor(INTRINSIC, SIZE)
        read = (lambda: depth.astype(np.float32)) if self.measured else None
        return Frame(name, name, view.pose, sensor, sensor, lambda: color, read)


def patches(color: np.ndarray) -> np.ndarray:
    """Features on a grid of 36 x 48: brightness and its opposite."""
    value = color[::2, ::2, :1].astype(np.float32) / 255
    return np.concatenate([value, 1 - value], axis=-1)


IDENTITY = Basis(np.zeros(2, np.float32), np.eye(2, dtype=np.float32))


@pytest.mark.parametrize("measured", [True, False])
def test_points_have_the_features_of_the_pictures_that_show_them(measured: bool) -> None:
    found, views = lift_features(POINTS, Board(measured), patches, IDENTITY)
    seen = views > 0
    assert found.shape == (len(POINTS), 2)
    assert (views == 2).sum() > 500
    np.testing.assert_allclose(found[seen].sum(axis=1), 1, atol=1e-5)
    assert (found[seen & (LABELS == BOARD), 0] > 0.7).mean() > 0.95
    assert (found[seen & (LABELS == WALL), 0] < 0.4).mean() > 0.95
    assert lift_features(POINTS, Board(measured), patches, IDENTITY, every=2)[1].max() == 1


def test_points_that_no_view_sees_have_the_nearest_or_nothing() -> None:
    found, views = lift_features(POINTS, Board(True), patches, IDENTITY)
    seen = np.flatnonzero(views > 0)
    hidden = np.flatnonzero(views == 0)
    away = np.linalg.norm(POINTS[hidden][:, None] - POINTS[seen], axis=2)
    near = away.min(axis=1) <= REACH
    assert near.any()
    assert (~near).any()
    np.testing.assert_array_equal(found[hidden[near]], found[seen[away.argmin(axis=1)]][near])
    assert (found[hidden[~near]] == 0).all()


def test_maps_of_every_other_picture() -> None:
    maps = list(feature_maps(Board(True), patches))
    assert [each.shape for each in maps] == [(36, 48, 2)] * 2
    assert len(list(feature_maps(Board(True), patches, 2))) == 1
