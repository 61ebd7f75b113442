"""Views of scene folders: spread labels beside those given, and predictions of the right points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.formats import write_cloud
from pcseg.scenes.scene import Scene, write_scene
from pcseg.vis.load import view_scene
from tests.vis.test_load import points


def test_spread_labels_are_a_layer_beside_those_given(tmp_path: Path) -> None:
    scene = Scene(points(6).astype(np.float32), {}, "train/a", classes=("floor", "wall"))
    folder = write_scene(tmp_path, scene)
    known = SceneLabels(
        "train/a", 6, scene.digest(), np.array([0, 2, 3]), np.array([1, 0, 1]), np.array([1, 0.5, 0.25])
    )
    view = view_scene(folder, weak=WeakLabels(("floor", "wall"), "spread", {}, None, (known,)))
    assert view.labels is not None
    assert view.labels.tolist() == [1, IGNORE, IGNORE, IGNORE, IGNORE, IGNORE]
    assert view.spread is not None
    assert view.spread.tolist() == [1, IGNORE, 0, 1, IGNORE, IGNORE]
    assert view.layers[-3:] == ("labeled", "spread", "weight")
    palette = view.classes.palette()
    assert view.paint("spread")[[0, 2, 3]].tolist() == palette[[1, 0, 1]].tolist()
    assert len(np.unique(view.paint("weight"), axis=0)) == 4


def test_a_prediction_of_the_same_points_in_another_order_is_refused(tmp_path: Path) -> None:
    scene = Scene(points(50).astype(np.float32), {}, "train/a", classes=("floor", "wall"))
    folder = write_scene(tmp_path, scene)
    labels = np.arange(50) % 2
    write_cloud(tmp_path / "same.ply", scene.coord, labels=labels)
    write_cloud(tmp_path / "turned.ply", scene.coord[::-1], labels=labels[::-1])
    assert view_scene(folder, prediction=tmp_path / "same.ply").prediction.tolist() == labels.tolist()
    with pytest.raises(InputError, match=r"turned\.ply: its points are others than those of train/a, or in another or"):
        view_scene(folder, prediction=tmp_path / "turned.ply")
