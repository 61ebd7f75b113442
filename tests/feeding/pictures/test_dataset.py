"""Samples of pictures: labels of the budget and no others, views of one part that match, batches for networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pcseg.budgets.draw import draw_points, draw_scenes, draw_tags
from pcseg.budgets.tags import Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.feeding.loading import loader
from pcseg.feeding.pictures import Grayscale, PictureDataset, WindowCrop
from pcseg.feeding.samplers import Item, MixedSampler, Plan, ViewSampler
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.scene import Scene, read_scene, write_scene

CLASSES = Classes(("road", "car", "sky"))
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def write_pictures(root: Path, count: int = 4, size: tuple[int, int] = (24, 32)) -> list[Path]:
    """Pictures whose class is the third of the green that they show."""
    folders = []
    for number in range(count):
        rng = np.random.default_rng(number)
        color = rng.integers(0, 256, (size[0] * size[1], 3)).astype(np.uint8)
        attributes = {"color": color, "segment": (color[:, 1] // 86).astype(np.int16)}
        scene = Scene(pixel_places(*size), attributes, f"train/p{number}", classes=CLASSES.names, size=size)
        folders.append(write_scene(root, scene))
    return folders


def scenes(folders: list[Path]) -> list[Scene]:
    return [read_scene(folder, CLASSES, with_labels=True) for folder in folders]


def dataset(folders: list[Path], labels: WeakLabels | None = None, **settings: object) -> PictureDataset:
    return PictureDataset(folders, CLASSES, labels, MEAN, STD, **settings)  # type: ignore[arg-type]


def test_only_the_labels_of_the_budget_are_read(tmp_path: Path) -> None:
    folders = write_pictures(tmp_path)
    labels = draw_points(scenes(folders), CLASSES, 20)
    for folder in folders:
        (folder / "segment.npy").write_bytes(b"poison")
    data = dataset(folders, labels, scale=0.5)
    for index in range(4):
        sample = data[Item(index, index)]
        known = sample.labels != IGNORE
        assert 0 < int(known.sum()) <= 20
        green = (np.load(folders[index] / "image.npy")[..., 1] // 86).reshape(-1)
        np.testing.assert_array_equal(sample.labels[known], green[sample.point[known]])
    assert (data.counts().sum(axis=1) <= 20).all()


def test_all_labels_without_a_budget(tmp_path: Path) -> None:
    folders = write_pictures(tmp_path)
    data = dataset(folders)
    assert data.counts().sum() == 4 * 24 * 32
    assert (data[Item(0, 0)].labels != IGNORE).all()


def test_a_batch_is_what_networks_of_pictures_take(tmp_path: Path) -> None:
    data = dataset(write_pictures(tmp_path), crop=WindowCrop((12, 16)))
    batch = data.collate([data[Item(i, i, domain=0)] for i in range(3)])
    assert isinstance(batch.inputs, torch.Tensor)
    assert batch.inputs.shape == (3, 3, 12, 16)
    rows = batch.inputs.permute(0, 2, 3, 1).reshape(-1, 3)
    torch.testing.assert_close(rows * torch.tensor(STD) + torch.tensor(MEAN), batch.color)
    assert batch.position[:17].tolist() == [[0, j] for j in range(16)] + [[1, 0]]
    assert batch.sample.bincount().tolist() == [192, 192, 192]
    assert batch.domain is not None
    assert batch.matches is None


def test_views_show_one_window_and_differ_in_color(tmp_path: Path) -> None:
    data = dataset(write_pictures(tmp_path), crop=WindowCrop((12, 16)), strong=[Grayscale(1.0)])
    (batch,) = loader(data, ViewSampler(data, Plan(4, 1), views=2, strong=1))
    assert batch.matches is not None
    first, second = batch.matches
    assert len(first) == 2 * 192  # every pixel of both parts
    torch.testing.assert_close(batch.position[first], batch.position[second])
    assert torch.equal(batch.point[first], batch.point[second])
    gray = batch.color[second]
    assert float((gray - gray[:, :1]).abs().max()) == 0
    assert float((batch.color[first] - gray).abs().max()) > 0.2


def test_labeled_and_unlabeled_pictures_are_mixed(tmp_path: Path) -> None:
    folders = write_pictures(tmp_path)
    labels = draw_scenes(scenes(folders), CLASSES, [f"train/p{i}" for i in range(4)], 1)
    data = dataset(folders, labels)
    (batch,) = loader(data, MixedSampler(data, Plan(4, 1)), 1)
    assert batch.domain.tolist() == [0, 0, 1, 1]
    known = batch.labels != IGNORE
    assert known[batch.sample < 2].all()
    assert not known[batch.sample >= 2].any()


def test_an_anchor_is_shown(tmp_path: Path) -> None:
    folders = write_pictures(tmp_path)
    data = dataset(folders, draw_points(scenes(folders), CLASSES, 6), crop=WindowCrop((6, 8), (1.0, 1.0)))
    for scene, counts in enumerate(data.counts()):
        for label in np.flatnonzero(counts):
            assert (data[Item(scene, 3, anchor=int(label))].labels == label).any()


@pytest.mark.parametrize("size", [(1, 1), (6, 1), (1, 6)])
def test_a_mirrored_window_may_be_a_pixel_wide(tmp_path: Path, size: tuple[int, int]) -> None:
    data = dataset(write_pictures(tmp_path, 1), crop=WindowCrop(size, flip=1.0))
    assert data.collate([data[Item(0, 0)]]).labels.shape == (size[0] * size[1],)


def test_tags_come_with_the_picture(tmp_path: Path) -> None:
    folders = write_pictures(tmp_path)
    tags: Tags = draw_tags(scenes(folders), CLASSES)
    labels = WeakLabels.none(scenes(folders), CLASSES)
    sample = dataset(folders, labels, tags=tags)[Item(0, 0)]
    assert sample.tags is not None
    assert sample.tags.tolist() == [True, True, True]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    data = dataset([*write_pictures(tmp_path, 1), *write_pictures(tmp_path / "other", 1, (10, 12))])
    with pytest.raises(InputError, match=r"pictures of \(10, 12\), \(24, 32\) in one batch; give data\.crop a size"):
        data.collate([data[Item(0, 0)], data[Item(1, 0)]])
    with pytest.raises(InputError, match=r"augment\.mix: merges point clouds"):
        data[Item(0, 0, mix=1)]
    cloud = write_scene(tmp_path, Scene(np.zeros((5, 3), np.float32), {}, "train/cloud", classes=CLASSES.names))
    with pytest.raises(InputError, match=r"its scenes are point clouds \(train/cloud\), but this network takes pict"):
        dataset([cloud])[Item(0, 0)]
