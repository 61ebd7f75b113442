"""The pass that labels points with classes that their tags allow, on clouds and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
import pytest

from pcseg.budgets.draw import draw_scenes, draw_tags
from pcseg.budgets.scene_labels import HIGHEST
from pcseg.budgets.tags import Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE
from pcseg.engine.folder import RunFolder
from pcseg.engine.predictors import make_predictor
from pcseg.engine.rounds import label_file
from pcseg.engine.tag_labels import TagLabels
from pcseg.errors import InputError
from pcseg.feeding.dataset import TrainDataset
from pcseg.scenes.scene import read_scene
from tests.engine.test_align import Made, clouds, few, images


def with_tags(made: Made, tags: Tags | None, labels: WeakLabels | None = None) -> Made:
    data, model = made
    data.tags = tags
    data._tagged = tags
    data.labels = labels or data.labels
    return data, model


def none_labeled(scenes: Any, classes: Any) -> WeakLabels:
    return draw_scenes(scenes, classes, [], count=0)


def label(made: Made, run: Path, **options: Any) -> WeakLabels:
    data, model = made
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    TagLabels(data, "then", **options)(model, RunFolder(run), fabric)
    return WeakLabels.load(label_file(run, "then"))


def scenes_of(made: Made, with_labels: bool = False) -> list[Any]:
    return [read_scene(folder, made[0].classes, with_labels=with_labels) for folder in made[0].folders]


@pytest.mark.parametrize("kind", [clouds, images])
def test_labels_are_the_likeliest_of_the_tags_of_the_scene(kind: Any, tmp_path: Path) -> None:
    made = kind(tmp_path / "scenes", few)
    data, model = made
    rng = np.random.default_rng(0)
    true = draw_tags(scenes_of(made, with_labels=True), data.classes)
    tags = replace(true, scenes=tuple(replace(s, known=rng.permutation(s.known)) for s in true.scenes))
    found = label(with_tags(made, tags), tmp_path / "run", confidence=0.6)
    predictor = make_predictor(model)
    for scene in scenes_of(made):
        given, labels, weights = data.labels.labels(scene), found.labels(scene), found.weights(scene)  # type: ignore[union-attr]
        known = given != IGNORE
        assert np.array_equal(labels[known], given[known])
        share = predictor.probabilities(scene) * tags.scene(scene.name).known
        share /= share.sum(axis=1, keepdims=True)
        sure = share.max(axis=1)
        expected = np.where(sure >= 0.6, share.argmax(axis=1), IGNORE)
        assert np.array_equal(labels[~known], expected[~known])
        kept = ~known & (expected != IGNORE)
        np.testing.assert_allclose(weights[kept], np.minimum(sure[kept], HIGHEST), atol=1e-3)


def test_outside_of_all_sub_clouds_nothing_is_labeled(tmp_path: Path) -> None:
    made = clouds(tmp_path / "scenes", few)
    scenes = scenes_of(made, with_labels=True)
    tags = draw_tags(scenes, made[0].classes, radius=0.8, points=2)
    found = label(with_tags(made, tags, none_labeled(scenes, made[0].classes)), tmp_path / "run", confidence=0.0)
    for scene in scenes:
        labels, allowed = found.labels(scene), tags.scene(scene.name).allowed(scene.coord + scene.origin)
        assert np.array_equal(labels != IGNORE, allowed.any(axis=1))
        assert allowed[labels != IGNORE, labels[labels != IGNORE]].all()


def test_the_background_needs_no_tag(tmp_path: Path) -> None:
    made = images(tmp_path / "scenes", few)
    data, model = made
    name = data.classes.names[0]
    true = draw_tags(scenes_of(made, with_labels=True), data.classes)
    denied = tuple(replace(s, known=s.known & (np.arange(len(s.known)) > 0)) for s in true.scenes)
    made = with_tags(made, replace(true, scenes=denied), none_labeled(scenes_of(made, True), data.classes))
    model.network.head.bias.data[0] = 50
    without, found = (label(made, tmp_path / str(b), confidence=0, background=b) for b in (None, name))
    assert all((s.label > 0).all() for s in without.scenes)
    assert all((s.label == 0).all() and len(s.label) for s in found.scenes)


def test_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    made = clouds(tmp_path / "scenes", few)
    with pytest.raises(InputError, match=r"stages\.then\.before: .*give labels\.tags"):
        TagLabels(made[0], "then")
    assert isinstance(made[0], TrainDataset)
    tags = draw_tags(scenes_of(made, with_labels=True), made[0].classes)
    data, _ = with_tags(made, tags)
    for options in ({"confidence": 1.5}, {"background": "sky"}):
        with pytest.raises(InputError, match=rf"stages\.then\.before\.{next(iter(options))}"):
            TagLabels(data, "then", **options)  # type: ignore[arg-type]
