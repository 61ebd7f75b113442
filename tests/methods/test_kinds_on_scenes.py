"""Kinds of methods that need views, tags, unlabeled scenes, label rounds or new classes, on scenes on disk."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pcseg.budgets.draw import draw_uniform
from pcseg.budgets.tags import SceneTags, Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.engine.folder import RunFolder
from pcseg.engine.rounds import Relabel, label_file
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.dataset import TrainDataset
from pcseg.feeding.loading import loader
from pcseg.feeding.samplers import Item, MixedSampler, Plan, RandomSampler, StepSampler, ViewSampler
from pcseg.feeding.transforms import Dropout, Jitter, RotateZ, SphereCrop
from pcseg.methods import Supervised
from pcseg.model.checkpoint import load_model
from pcseg.model.model import Model
from pcseg.scenes.scene import read_scene
from tests.methods import kinds
from tests.methods.runs import (
    CONSTRUCTORS,
    FEATURES,
    model_of,
    run,
    stage,
    tensors,
)
from tests.scenes.rooms import CLASSES, building


@pytest.fixture
def scenes(tmp_path: Path) -> list[Path]:
    return building(tmp_path / "rooms")


def budget(folders: list[Path], labeled: int = 4) -> WeakLabels:
    """Labels of a third of the points of the first ``labeled`` scenes, of none of the others."""
    whole = draw_uniform((read_scene(f, CLASSES, with_labels=True) for f in folders), CLASSES, 0.3)
    kept = [
        s if i < labeled else type(s)(s.name, s.points, s.sha256, s.index[:0], s.label[:0])
        for i, s in enumerate(whole.scenes)
    ]
    return WeakLabels(whole.classes, whole.rule, whole.parameters, whole.seed, tuple(kept))


def dataset(folders: list[Path], labels: WeakLabels | None, classes: Classes = CLASSES, **options: Any) -> TrainDataset:
    return TrainDataset(folders, classes, labels, FEATURES, 0.2, **options)


def from_scenes(data: TrainDataset, sampler: type[StepSampler], size: int = 4, **options: Any) -> dict[str, Any]:
    made = sampler(data, Plan(size, 1), **options)

    def batches(model: Model, start: int) -> Iterable[Batch]:
        return loader(data, sampler(data, Plan(size, 100, start=start), **options))

    return {"batches": batches, "offers": data.offers | made.offers}


def test_views_of_a_scene_match_point_by_point(tmp_path: Path, scenes: list[Path]) -> None:
    """Colors are unique to a point here: matched voxels that hold one point each must agree in them."""
    turn, weak = RotateZ(), Jitter(0.3)
    data = dataset(
        scenes, budget(scenes), transform=weak, strong=lambda points, rng: Dropout(0.5)(turn(points, rng), rng)
    )
    options = from_scenes(data, ViewSampler, strong=1)
    batch = next(iter(options["batches"](model_of(), 0)))
    assert batch.matches is not None
    first, second = batch.matches
    assert len(first) > 100
    assert (batch.sample[first] + 1 == batch.sample[second]).all()
    assert {batch.names[int(s)] for s in batch.sample[first]} == {batch.names[int(s)] for s in batch.sample[second]}
    same = (batch.color[first] == batch.color[second]).all(dim=1)
    chance = (batch.color[first] == batch.color[second.roll(1)]).all(dim=1)
    assert same.float().mean() > 0.5 > 0.1 > chance.float().mean()
    assert not torch.equal(batch.position[first], batch.position[second])
    run(tmp_path / "run", model_of(classes=CLASSES), [stage(kinds.Agreeing, **options)])


def test_labeled_and_unlabeled_scenes_train_together(tmp_path: Path, scenes: list[Path]) -> None:
    data = dataset(scenes, budget(scenes, labeled=1))
    options = from_scenes(data, MixedSampler, labeled=0.25)
    batch = next(iter(options["batches"](model_of(), 0)))
    assert batch.domain is not None
    assert batch.domain.tolist() == [0, 1, 1, 1]
    assert ((batch.labels == IGNORE) | (batch.domain[batch.sample] == 0)).all()
    run(tmp_path / "run", model_of(classes=CLASSES), [stage(kinds.Confident, **options)])


@pytest.mark.parametrize("crop", [None, SphereCrop(1.0), SphereCrop(2.0)])
def test_samples_of_tagged_sub_clouds_hold_no_other_points(scenes: list[Path], crop: SphereCrop | None) -> None:
    """Each sample is a ball around a seed, and has the tags of that ball."""
    seeds = np.array([[1.0, 1.0, 1.0], [3.0, 3.0, 1.0]])
    inside = np.eye(4, dtype=bool)[:2]
    known = tuple(
        SceneTags(f"Area_1/room_{i}", np.zeros(4, dtype=bool), seeds, np.array([1.0, 1.0]), inside) for i in range(4)
    )
    tags = Tags(CLASSES.names, "file", {}, None, known)
    data = dataset(scenes, budget(scenes), tags=tags, crop=crop)
    seen = set()
    for seed in range(20):
        sample = data[Item(seed % 4, seed)]
        assert sample.tags is not None
        number = int(sample.tags.int().argmax())
        assert sample.tags.tolist() == inside[number].tolist()
        scene = read_scene(scenes[seed % 4], CLASSES, with_labels=False)
        ball = np.linalg.norm(scene.coord - seeds[number], axis=1) <= 1.0
        assert len(sample.inverse) == ball.sum()
        seen.add(number)
    assert seen == {0, 1}
    far = replace(known[0], center=seeds + 90)
    data = dataset(scenes, budget(scenes), tags=replace(tags, scenes=(far, *known[1:])), crop=crop)
    with pytest.raises(InputError, match="Area_1/room_0: a tagged sub-cloud holds no point"):
        data[Item(0, 0)]


def test_weights_of_labels_reach_the_batch(scenes: list[Path]) -> None:
    labels = budget(scenes)
    weighted = [replace(s, weight=np.full(len(s.index), 0.5, np.float16)) for s in labels.scenes]
    data = dataset(scenes, replace(labels, rule="pseudo", scenes=tuple(weighted)), max_voxels=100)
    batch = next(iter(from_scenes(data, RandomSampler)["batches"](model_of(), 0)))
    assert batch.weights is not None
    assert torch.equal(batch.weights, torch.where(batch.labels != IGNORE, 0.5, 0.0))


def test_tags_reach_the_method(tmp_path: Path, scenes: list[Path]) -> None:
    present = {f"Area_1/room_{i}": np.arange(4) == i for i in range(4)}
    known = tuple(SceneTags(name, values) for name, values in present.items())
    data = dataset(scenes, budget(scenes), tags=Tags(CLASSES.names, "file", {}, None, known))
    options = from_scenes(data, RandomSampler)
    batch = next(iter(options["batches"](model_of(), 0)))
    assert batch.tags is not None
    assert all(np.array_equal(batch.tags[b], present[name]) for b, name in enumerate(batch.names))
    mixed = data[Item(0, 7, mix=2)]  # Mix3D: the classes of both scenes
    assert mixed.tags is not None
    assert mixed.tags.tolist() == [True, False, True, False]
    run(tmp_path / "run", model_of(classes=CLASSES), [stage(kinds.Tagged, **options)])


@pytest.mark.parametrize("poisoned", [False, True])
def test_a_round_leaves_a_label_file_that_the_next_stage_learns_from(
    tmp_path: Path, scenes: list[Path], poisoned: bool
) -> None:
    labels = budget(scenes, labeled=2)
    data = dataset(scenes, labels)
    if poisoned:  # no hidden label may reach the pass
        for folder in scenes:
            (folder / "segment.npy").write_bytes(b"garbage")
    path = tmp_path / "run"
    taken: list[WeakLabels] = []

    def relabeled(model: Model, start: int) -> Iterable[Batch]:
        taken.append(WeakLabels.load(label_file(path, "two")))
        return from_scenes(dataset(scenes, taken[-1]), RandomSampler)["batches"](model, start)

    first = stage(Supervised, 20, **from_scenes(data, RandomSampler))
    second = stage(Supervised, 4, name="two", batches=relabeled, before=Relabel(data, "two", confidence=0.4))
    run(path, model_of(classes=CLASSES), [first, second])
    assert taken[0].rule == "pseudo"
    assert taken[0].parameters["budget"] == labels.sha256
    assert taken[0].count > labels.count
    for before, after in zip(labels.scenes, taken[0].scenes, strict=True):
        known = before.label != IGNORE
        kept = np.isin(after.index, before.index[known])
        assert np.array_equal(after.label[kept], before.label[known])
        assert (after.weight[kept] == 1).all()
        assert (after.weight >= 0.4 - 1e-3).all()
    stamp = label_file(path, "two").stat().st_mtime_ns
    run(path, model_of(classes=CLASSES), [first, second], resume=True)
    assert label_file(path, "two").stat().st_mtime_ns == stamp


def test_classes_that_come_later(tmp_path: Path, scenes: list[Path]) -> None:
    """The second stage knows one class more; the classifier keeps what it had, and the checkpoint follows."""
    early = Classes(CLASSES.names[:3])
    labels = budget(scenes)
    grown: list[Any] = []

    def extend(model: Model, folder: RunFolder, fabric: Any) -> None:
        before = copy.deepcopy(model.network)
        model.extend(CLASSES)
        grown.append((before, copy.deepcopy(model.network)))

    def batches(classes: Classes, model: Model, start: int) -> Iterable[Batch]:
        assert model.classes.names == classes.names
        data = dataset(scenes, labels, classes, some_classes=True)
        return from_scenes(data, RandomSampler)["batches"](model, start)

    stages = [
        stage(Supervised, 4, batches=partial(batches, early)),
        stage(Supervised, 4, name="two", batches=partial(batches, CLASSES), before=extend),
    ]
    model = model_of(classes=early)
    run(tmp_path / "run", model, stages)
    before, after = grown[0]
    assert torch.equal(after.head.weight[:3], before.head.weight)
    assert torch.equal(after.body[0].weight, before.body[0].weight)
    found = load_model(tmp_path / "run", CONSTRUCTORS)
    assert found.classes.names == CLASSES.names
    assert found.network.head.weight.shape[0] == 4
    wanted = tensors(tmp_path / "run" / "last.safetensors")
    run(tmp_path / "run", model_of(classes=early), stages, resume=True)
    assert len(grown) == 1, "a finished pass is not done again"
    assert tensors(tmp_path / "run" / "last.safetensors") == wanted
    with pytest.raises(InputError, match="chair would be lost"):
        model.extend(Classes(("floor", "wall", "board")))
