"""The pass that labels a part of the unlabeled scenes in the shares of the classes, on clouds and pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
import pytest
import torch

from pcseg.budgets.draw import draw_points, draw_scenes
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE
from pcseg.engine.align import Align
from pcseg.engine.folder import RunFolder
from pcseg.engine.predictors import make_predictor
from pcseg.engine.rounds import label_file
from pcseg.errors import InputError
from pcseg.feeding.dataset import TrainDataset
from pcseg.feeding.pictures import PictureDataset
from pcseg.feeding.training_set import TrainingSet
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.scenes.scene import read_scene
from tests.feeding.pictures import test_dataset as pictures
from tests.methods.runs import FEATURES, model_of
from tests.methods.tiny_network import TinyPixels
from tests.scenes import rooms

Made = tuple[TrainingSet[Any], Model]


def clouds(root: Path, draw: Callable[..., WeakLabels]) -> Made:
    folders = rooms.building(root)
    data = TrainDataset(folders, rooms.CLASSES, drawn(folders, rooms.CLASSES, draw), FEATURES, 0.2)
    return data, model_of(classes=rooms.CLASSES)


def images(root: Path, draw: Callable[..., WeakLabels]) -> Made:
    folders = pictures.write_pictures(root)
    labels = drawn(folders, pictures.CLASSES, draw)
    data = PictureDataset(folders, pictures.CLASSES, labels, pictures.MEAN, pictures.STD)
    spec = NetworkSpec("TinyPixels", {}, TinyPixels)
    return data, Model(Networks.build(spec), pictures.CLASSES, ImageInputs(pictures.MEAN, pictures.STD))


def drawn(folders: list[Path], classes: Any, draw: Callable[..., WeakLabels]) -> WeakLabels:
    return draw([read_scene(folder, classes, with_labels=True) for folder in folders], classes)


def whole(scenes: Any, classes: Any) -> WeakLabels:
    return draw_scenes(scenes, classes, [scene.name for scene in scenes], count=2)


def few(scenes: Any, classes: Any) -> WeakLabels:
    return draw_points(scenes, classes, 20)


@pytest.fixture(params=[clouds, images])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Callable[..., WeakLabels]], Made]:
    return lambda draw: request.param(tmp_path / "scenes", draw)


def align(data: TrainingSet[Any], model: Model, run: Path, **options: Any) -> WeakLabels:
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    Align(data, "one", **options)(model, RunFolder(run), fabric)
    return WeakLabels.load(label_file(run, "one"))


@pytest.mark.parametrize("draw", [whole, few])
def test_a_part_is_labeled_in_the_shares_of_the_classes(make: Any, draw: Any, tmp_path: Path) -> None:
    data, model = make(draw)
    with torch.no_grad():
        model.network.head.weight.mul_(20)
    found = align(data, model, tmp_path / "run", alpha=0.3)
    predictor, classes = make_predictor(model), len(data.classes)
    decisions, sure, kept, counts = [], [], [], np.zeros(classes)
    for folder, entry in zip(data.folders, data.labels.scenes, strict=True):
        scene = read_scene(folder, data.classes, with_labels=False)
        known, labels, weights = data.labels.labels(scene), found.labels(scene), found.weights(scene)
        counts += np.bincount(known[known >= 0], minlength=classes)
        assert np.array_equal(labels[known >= 0], known[known >= 0])
        assert np.array_equal(weights == 1, known >= 0)
        assert (labels[entry.index[entry.label < 0]] == IGNORE).all(), "known to have no class"
        free = np.setdiff1d(np.arange(len(scene)), entry.index)
        label, confidence = predictor.predict_scene(predictor.read(folder, with_labels=False))
        guessed = labels[free] >= 0
        assert np.array_equal(labels[free][guessed], label[free][guessed])
        assert len(set(weights[free][guessed])) <= 1
        decisions.append(label[free])
        sure.append(confidence[free])
        kept.append(guessed)
    decision, confidence, guessed = (np.concatenate(parts) for parts in (decisions, sure, kept))
    for k, share in enumerate(counts / counts.sum()):
        own = decision == k
        wanted = min(0.3 * share * len(decision), own.sum())
        assert abs((guessed & own).sum() - wanted) <= 2 + 0.02 * wanted
        if (guessed & own).any() and (own & ~guessed).any():
            least, most = confidence[guessed & own].min(), confidence[own & ~guessed].max()
            assert 1 - least <= (1 - most) * 1.004 + 1e-6, "the surest"


def test_a_pass_that_was_stopped_goes_on(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, model = make(whole)
    once, run = align(data, model, tmp_path / "whole"), tmp_path / "run"
    for name in ("_see", "label"):
        counted(monkeypatch, name, stops=2)
        with pytest.raises(KeyboardInterrupt):
            align(data, model, run)
        assert not label_file(run, "one").exists()
        monkeypatch.undo()
    seen, labeled = counted(monkeypatch, "_see"), counted(monkeypatch, "label")
    assert align(data, model, run).sha256 == once.sha256
    assert (len(seen), len(labeled)) == (0, 2)
    assert [path.name for path in (run / "labels").iterdir()] == ["one.npz"]
    assert align(data, model, run).sha256 == once.sha256
    assert (len(seen), len(labeled)) == (0, 2)  # a finished pass is not made again
    others = [align(data, model, run, **options).sha256 for options in ({"alpha": 0.6}, {"seed": 1})]
    assert len({once.sha256, *others}) == 3


def counted(monkeypatch: pytest.MonkeyPatch, name: str, stops: int = -1) -> list[Any]:
    """Note the calls of a function of the pass, and let it stop once it was called ``stops`` times."""
    calls: list[Any] = []
    function = getattr(Align, name)

    def noted(self: Align, *arguments: Any) -> Any:
        if len(calls) == stops:
            raise KeyboardInterrupt
        calls.append(arguments)
        return function(self, *arguments)

    monkeypatch.setattr(Align, name, noted)
    return calls


def test_shares_that_labels_do_not_tell_are_given(tmp_path: Path) -> None:
    data, model = clouds(tmp_path / "rooms", few)
    labels = replace(data.labels, rule="clicks", parameters={})
    clicked = TrainDataset(data.folders, data.classes, labels, FEATURES, 0.2)
    with pytest.raises(InputError, match=r"stages.one.before.prior: the labels, of rule 'clicks'"):
        Align(clicked, "one")
    given = align(clicked, model, tmp_path / "run", prior={"floor": 3, "wall": 1})
    assert given.parameters["prior"] == [0.75, 0.25, 0.0, 0.0]
    for wrong, words in ({"roof": 1.0}, "no class 'roof'"), ({"wall": -1.0}, "-1"), ({"wall": 0.0}, "shares of 0"):
        with pytest.raises(InputError, match=words):
            Align(clicked, "one", prior=wrong)
    with pytest.raises(InputError, match=r"before.alpha=2"):
        Align(data, "one", alpha=2)
    nothing = WeakLabels.none((read_scene(f, data.classes, with_labels=False) for f in data.folders), data.classes)
    with pytest.raises(InputError, match="do not tell it"):
        Align(TrainDataset(data.folders, data.classes, nothing, FEATURES, 0.2), "one")
