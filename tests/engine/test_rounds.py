"""A pass that labels the scenes: killed half-way it goes on, and its labels depend on all of its settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
import pytest

from pcseg.budgets.draw import draw_points
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.engine.folder import RunFolder
from pcseg.engine.rounds import label_file
from pcseg.engine.spread_pass import Spread
from pcseg.feeding.dataset import TrainDataset
from pcseg.pseudo import Spreading
from pcseg.scenes.scene import read_scene
from tests.methods.runs import FEATURES, model_of
from tests.scenes.rooms import CLASSES, building


@pytest.fixture
def data(tmp_path: Path) -> TrainDataset:
    folders = building(tmp_path / "rooms")
    labels = draw_points((read_scene(folder, CLASSES, with_labels=True) for folder in folders), CLASSES, 20)
    return TrainDataset(folders, CLASSES, labels, FEATURES, 0.2)


@pytest.fixture
def clicked(data: TrainDataset) -> TrainDataset:
    """More clicks a scan than an .npy header has bytes."""
    scenes = (read_scene(folder, CLASSES, with_labels=True) for folder in data.folders)
    labels = replace(draw_points(scenes, CLASSES, 300), rule="clicks", parameters={})
    return TrainDataset(data.folders, CLASSES, labels, FEATURES, 0.05)


def spread(data: TrainDataset, run: Path, **options: Any) -> WeakLabels:
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    Spread(data, "one", **options)(model_of(classes=CLASSES), RunFolder(run), fabric)
    return WeakLabels.load(label_file(run, "one"))


def stop(data: TrainDataset, run: Path, done: list[Path], after: int) -> None:
    """Stop a pass after some scenes, which are added to ``done``."""
    label = Spread.label

    def stopped(self: Spread, predictor: Any, path: Path, known: np.ndarray) -> Any:
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(path)
        return label(self, predictor, path, known)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Spread, "label", stopped)
        with pytest.raises(KeyboardInterrupt):
            spread(data, run)


def test_a_pass_that_was_stopped_goes_on(data: TrainDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, run, done = spread(data, tmp_path / "whole"), tmp_path / "run", []
    label = Spread.label

    stop(data, run, done, 2)
    assert not label_file(run, "one").exists()

    def counted(self: Spread, predictor: Any, path: Path, known: np.ndarray) -> Any:
        done.append(path)
        return label(self, predictor, path, known)

    monkeypatch.setattr(Spread, "label", counted)
    assert spread(data, run).sha256 == whole.sha256
    assert done == list(data.folders)  # each once
    assert [path.name for path in (run / "labels").iterdir()] == ["one.npz"]
    assert spread(data, run).sha256 == whole.sha256
    assert done == list(data.folders)  # a finished pass is not made again


def test_a_pass_over_other_scenes_takes_nothing_from_one_that_was_stopped_or_finished(
    data: TrainDataset, tmp_path: Path
) -> None:
    fewer = TrainDataset(data.folders[1:], CLASSES, data.labels, FEATURES, 0.2)
    right = spread(fewer, tmp_path / "right")
    stop(data, tmp_path / "stopped", [], 1)
    spread(data, tmp_path / "finished")
    for name in ("stopped", "finished"):
        found = spread(fewer, tmp_path / name)
        assert [scene.name for scene in found.scenes] == fewer.names
        assert found.sha256 == right.sha256


@pytest.mark.parametrize("rule", ["paths", "walk"])
def test_labels_not_drawn_at_random_spread_too(clicked: TrainDataset, tmp_path: Path, rule: str) -> None:
    found = spread(clicked, tmp_path / "run", spreading=Spreading(rule))
    assert found.parameters["shares"] is None
    assert found.count > clicked.labels.count


def test_labels_not_drawn_at_random_weigh_as_many_as_there_are_once_spread(
    clicked: TrainDataset, tmp_path: Path
) -> None:
    every = spread(clicked, tmp_path / "all", spreading=Spreading(keep=0.0), balance=False).scenes
    some = spread(clicked, tmp_path / "some", spreading=Spreading(keep=0.6)).scenes
    alone = spread(clicked, tmp_path / "alone", spreading=Spreading(keep=0.6), balance=False).scenes

    def share(scenes: tuple[SceneLabels, ...]) -> np.ndarray:
        label, weight = (np.concatenate([getattr(each, of) for each in scenes]) for of in ("label", "weight"))
        mass = np.bincount(label[weight < 1], weight[weight < 1], len(clicked.classes))
        return mass / mass.sum()

    wanted = np.bincount(np.concatenate([each.label for each in every]), minlength=len(clicked.classes))
    wanted = wanted / wanted.sum()
    assert np.abs(share(some) - wanted).max() < 0.5 * np.abs(share(alone) - wanted).max()


def test_other_settings_make_other_labels(data: TrainDataset, tmp_path: Path) -> None:
    found = [
        spread(data, tmp_path / "run", **options).sha256 for options in ({}, {"balance": False}, {"forest": False})
    ]
    assert len(set(found)) == 3
    assert spread(data, tmp_path / "run").sha256 == found[0]
