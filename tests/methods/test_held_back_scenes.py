"""Labels of whole scenes are held back too: batches of labeled scenes and of unlabeled ones number their points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pcseg.budgets.draw import draw_scenes
from pcseg.classes import IGNORE
from pcseg.feeding.batch import Batch
from pcseg.feeding.loading import loader
from pcseg.feeding.pictures import WindowCrop
from pcseg.feeding.samplers import Item, Plan, SemiSampler
from pcseg.methods.cw_bass import CWBASS
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.pseudo.gate import PrecisionGate, held_labels
from pcseg.scenes.scene import read_scene
from tests.feeding import datasets as clouds
from tests.feeding.pictures import test_dataset as pictures
from tests.methods.tiny_network import TinyNetwork, TinyPixels
from tests.scenes import rooms

each_kind = pytest.mark.parametrize("pixels", [False, True], ids=["voxels", "pixels"])


def training_set(root: Path, pixels: bool) -> Any:
    """Four scenes, of which two are labeled as a whole."""
    if pixels:
        folders = pictures.write_pictures(root)
        names = [f"train/{folder.name}" for folder in folders]
        budget = draw_scenes(pictures.scenes(folders), pictures.CLASSES, names, 2)
        return pictures.dataset(folders, budget, crop=WindowCrop((12, 16), (1.0, 1.0)))
    folders = rooms.building(root)
    scenes = [read_scene(folder, rooms.CLASSES, with_labels=True) for folder in folders]
    budget = draw_scenes(scenes, rooms.CLASSES, [scene.name for scene in scenes], 2)
    return clouds.dataset(folders, budget, transform=clouds.AUGMENT)


def batches(data: Any, steps: int = 3) -> list[Batch]:
    return list(loader(data, SemiSampler(data, Plan(4, steps))))


@each_kind
def test_a_share_of_whole_scenes_is_held_back_the_same_at_each_step(tmp_path: Path, pixels: bool) -> None:
    data = training_set(tmp_path, pixels)
    kept: dict[tuple[str, int], bool] = {}
    for batch in batches(data):
        assert batch.domain is not None
        assert batch.point is not None
        assert batch.matches is None
        held = held_labels(batch, 0.2)
        labeled = batch.domain[batch.sample] == 0
        assert 0.1 < float(held[labeled].float().mean()) < 0.3
        assert not held[~labeled].any()
        for e in (labeled & (batch.labels != IGNORE)).nonzero().flatten().tolist():
            key = (batch.names[int(batch.sample[e])], int(batch.point[e]))
            assert kept.setdefault(key, bool(held[e])) == bool(held[e])
    assert any(kept.values())
    assert not all(kept.values())


@each_kind
def test_the_gate_measures_where_whole_scenes_are_labeled(tmp_path: Path, pixels: bool) -> None:
    data = training_set(tmp_path, pixels)
    torch.manual_seed(0)
    kind, inputs = (TinyPixels, ImageInputs()) if pixels else (TinyNetwork, VoxelInputs(0.1, data.features))
    network = kind(n_classes=len(data.classes))
    spec = NetworkSpec(kind.__name__, {}, kind)
    method = CWBASS(Model(Networks(network, spec), data.classes, inputs), threshold="gate", hold_back=0.2, warmup=0.0)
    assert isinstance(method.rule, PrecisionGate)
    method.rule.threshold = 0.3  # a third is the least that the largest of three probabilities is
    for batch in batches(data):
        method.train().losses(batch, 1.0)
        assert (batch.labels[held_labels(batch, 0.2)] != IGNORE).all()
    assert float(method.rule.sure) > 20
    assert 0 < float(method.rule.precision) < 1


def test_points_of_merged_scenes_have_no_numbers(tmp_path: Path) -> None:
    data = training_set(tmp_path, False)
    assert data[Item(0, 0, mix=1)].point is None
    assert data[Item(0, 0)].row is None
    assert data[Item(0, 0, view=3)].row is not None
