"""Training samples: their labels, center, size and heights, and scenes that cannot be trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pcseg.budgets.draw import draw_points
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.feeding.dataset import OPEN_SCENES, TrainDataset
from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.feeding.sample import make_sample
from pcseg.feeding.samplers import Item
from pcseg.feeding.transforms import BoxCrop, SphereCrop
from pcseg.scenes.points import Points
from pcseg.scenes.scene import read_scene, write_scene
from tests.feeding.datasets import augmented, budget, dataset, equal
from tests.scenes.rooms import CLASSES, building, room


def test_a_budget_of_all_points_is_full_supervision(tmp_path: Path) -> None:
    folders = building(tmp_path)
    everything = draw_points((read_scene(f, CLASSES, with_labels=True) for f in folders), CLASSES, 10**6)
    weak, full = dataset(folders, everything), dataset(folders, None)
    assert np.array_equal(weak.counts(), full.counts())
    assert all(equal(weak[Item(i, 5)], full[Item(i, 5)]) for i in range(len(folders)))


def test_every_label_of_the_budget_is_in_the_voxels(tmp_path: Path) -> None:
    folders = building(tmp_path)
    labels = budget(folders)
    data = TrainDataset(folders, CLASSES, labels, ["ones"], 0.5)
    for i, folder in enumerate(folders):
        sample = data[Item(i, 0)]
        known = labels.labels(read_scene(folder, CLASSES, with_labels=False))
        of_voxel = sample.labels[sample.inverse].numpy()
        assert (of_voxel[known != IGNORE] != IGNORE).all()
        assert len(sample.coords) < len(known)
        assert set(sample.labels[sample.labels != IGNORE].tolist()) <= set(known.tolist())


def test_a_sample_depends_on_its_item_alone(tmp_path: Path) -> None:
    data = augmented(building(tmp_path), None)
    again = augmented(building(tmp_path), None)
    for item in (Item(0, 1), Item(1, 2, anchor=1), Item(2, 3, mix=0)):
        first = data[item]
        data[Item(3, 99)]
        assert equal(first, again[item])
    assert not torch.equal(data[Item(0, 1)].coords, data[Item(0, 2)].coords)


@pytest.mark.parametrize("anchor", [0, 1, 2])
def test_a_sample_is_centered_on_a_label_of_its_anchor(tmp_path: Path, anchor: int) -> None:
    folders = building(tmp_path)
    labels = budget(folders, 0.05)
    data = dataset(folders, labels, crop=SphereCrop(0.8))
    for seed in range(10):
        sample = data[Item(0, seed, anchor)]
        near = sample.position[sample.labels == anchor]
        assert near[:, :2].norm(dim=1).min() == 0
        z = near[near[:, :2].norm(dim=1).argmin(), 2]
        assert (sample.position - torch.tensor([0, 0, z])).norm(dim=1).max() <= 0.8 + 1e-5


def test_max_voxels_keeps_the_nearest_to_the_center(tmp_path: Path) -> None:
    folders = building(tmp_path)
    labels = budget(folders, 0.05)
    whole = dataset(folders, labels)[Item(0, 7, anchor=1)]
    part = dataset(folders, labels, max_voxels=50)[Item(0, 7, anchor=1)]
    assert len(part.coords) == len(part.feats) == len(part.labels) == 50
    label = whole.position[(whole.labels == 1) & (whole.position[:, :2] == 0).all(dim=1)]
    distance = (whole.position - label).norm(dim=1)
    assert torch.equal(part.coords, whole.coords[distance <= distance.kthvalue(50).values])
    seen = part.inverse >= 0
    assert torch.equal(part.coords[part.inverse[seen]], whole.coords[whole.inverse[seen]])
    assert 1 in part.labels


def test_mixing_joins_two_scenes(tmp_path: Path) -> None:
    data = dataset(building(tmp_path), None)
    mixed = data[Item(0, 1, mix=2)]
    assert mixed.name == "Area_1/room_0+Area_1/room_2"
    assert 3 in mixed.labels
    assert 2 in mixed.labels
    assert len(mixed.coords) > 1.5 * len(data[Item(0, 1)].coords)
    assert len(torch.unique(mixed.coords, dim=0)) == len(mixed.coords)


def test_voxels_hold_their_labeled_point() -> None:
    coord = np.array([[0.01, 0, 0], [0.02, 0, 0], [0.03, 0, 0], [-0.01, 0, 0], [0.95, 0, 0]], dtype=np.float32)
    labels = np.array([IGNORE, 2, 1, IGNORE, IGNORE])
    sample = make_sample(make_points(Points(coord, {"labels": labels})), Features(["height"]), 0.1)
    assert sample.coords.tolist() == [[-1, 0, 0], [0, 0, 0], [9, 0, 0]]
    assert sample.labels.tolist() == [IGNORE, 2, IGNORE]
    assert sample.position[1].tolist() == coord[1].tolist()
    assert sample.inverse.tolist() == [1, 1, 1, 0, 2]
    assert (sample.color == 0).all()
    nothing = make_sample(make_points(Points(coord)), Features(["height"]), 0.1)
    assert (nothing.labels == IGNORE).all()


def test_height_is_measured_from_the_floor_of_the_whole_scene(tmp_path: Path) -> None:
    scene = room("Area_1/a", 2000)
    raised = replace(scene, coord=scene.coord + np.float32([0, 0, 30]))
    data = TrainDataset([write_scene(tmp_path, raised)], CLASSES, None, ["height"], 0.1, crop=SphereCrop(0.5))
    heights = torch.cat([data[Item(0, seed)].feats for seed in range(30)])
    assert -0.1 < heights.min() < 0.2
    assert 1.8 < heights.max() < 2.1


@pytest.mark.parametrize("far", [1e6, -1e9, 9e11])
@pytest.mark.parametrize("crop", [None, SphereCrop(1.0), BoxCrop(2.0)])
def test_strays_of_a_scene_change_nothing_about_its_samples(tmp_path: Path, far: float, crop: object) -> None:
    scene = room("Area_1/a", 2060)
    segment = np.where(np.arange(2060) % 40 == 7, 1, IGNORE)
    segment[2000:], scene.coord[2000:, 2] = IGNORE, far
    samples = []
    for name, rows in (("plain", slice(2000)), ("strays", slice(None))):
        folder = write_scene(tmp_path / name, scene.having(segment=segment)[rows])
        data = TrainDataset([folder], CLASSES, None, ["color", "height"], 0.1, crop=crop)
        samples.append([data[Item(0, seed, anchor=1)] for seed in range(5)])
    for one, two in zip(*samples, strict=True):
        assert torch.equal(one.coords, two.coords)
        assert torch.equal(one.feats, two.feats)
    data[Item(0, 1)]  # any point may be the center, a stray too


def test_more_scenes_than_may_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcseg.feeding.dataset.OPEN_SCENES", 2)
    data = dataset(building(tmp_path), None)
    first = data[Item(0, 1)]
    for i in range(4):
        data[Item(i, 0)]
    assert len(data._open) == 2 < OPEN_SCENES
    assert equal(first, data[Item(0, 1)])


def test_mistakes_are_reported_before_the_first_step(tmp_path: Path) -> None:
    folders = building(tmp_path)
    labels = budget(folders[:-1])
    with pytest.raises(InputError, match="Area_1/room_3: the label file does not cover"):
        dataset(folders, labels)
    with pytest.raises(InputError, match="differ in the classes board, shelf"):
        TrainDataset(folders[:1], Classes(("floor", "wall", "chair", "shelf")), labels, ["ones"], 0.1)
    for wrong in ({"voxel_size": 0.0}, {"voxel_size": 0.1, "max_voxels": 0}):
        with pytest.raises(InputError, match="must be positive"):
            TrainDataset(folders[:1], CLASSES, labels, ["ones"], **wrong)  # type: ignore[arg-type]


def test_a_scene_that_does_not_fit_its_labels_or_features_is_named(tmp_path: Path) -> None:
    folders = building(tmp_path)
    labels = budget(folders)
    write_scene(tmp_path, room("Area_1/room_1", 399))
    with pytest.raises(InputError, match="Area_1/room_1: these labels belong to another cloud"):
        dataset(folders, labels)[Item(1, 0)]
    (folders[2] / "color.npy").unlink()
    with pytest.raises(InputError, match="Area_1/room_2: has no color"):
        dataset(folders, labels)[Item(2, 0)]
    with pytest.raises(InputError, match="Area_1/room_0: has no label of class 3"):
        dataset(folders, labels)[Item(0, 0, anchor=3)]


def test_scenes_without_labels_are_unlabeled_without_a_budget(tmp_path: Path) -> None:
    folders = building(tmp_path)
    (folders[3] / "segment.npy").unlink()
    made = dataset(folders, None)
    assert made.labeled().tolist() == [number != 3 for number in range(len(folders))]
    assert (made[Item(3, 0)].labels == IGNORE).all()
    assert made.counts()[3].sum() == 0 < made.counts()[2].sum()
