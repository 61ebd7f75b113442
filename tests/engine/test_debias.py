"""The pass that removes labels of biased objects, on clouds and pictures whose colors tell the objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pcseg.budgets.draw import draw_scenes, draw_tags
from pcseg.budgets.tags import Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.elements import Elements, pixel_elements
from pcseg.engine.debias import Debias
from pcseg.engine.folder import RunFolder
from pcseg.engine.rounds import label_file
from pcseg.engine.tag_labels import TagLabels
from pcseg.errors import InputError
from pcseg.feeding.dataset import TrainDataset
from pcseg.feeding.pictures import PictureDataset
from pcseg.feeding.training_set import TrainingSet
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.nn.levels import rows_of
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.scene import Scene, read_scene, write_scene
from pcseg.sparse import SparseTensor
from tests.methods.runs import FEATURES

CLASSES = Classes(("ground", "train", "car"))
TRAIN, RAIL, CAR, GRASS, ROAD = range(5)
COLORS = np.array([[200, 30, 30], [30, 30, 200], [30, 200, 30], [200, 200, 30], [120, 30, 160]], dtype=np.uint8)
TRUTH = np.array([1, 0, 2, 0, 0])
PARTS = ((TRAIN, RAIL, GRASS), (CAR, ROAD, GRASS), (RAIL, ROAD, GRASS))
"""Objects of a scene: trains stand on rails, which are also met alone."""

Made = tuple[TrainingSet[Any], Model]


class ByColor(nn.Module):
    """Tells objects apart by their color, and takes rails for a train; at stride 1 alone."""

    strides = (1,)

    def __init__(self, in_channels: int = 3, n_classes: int = 3) -> None:
        super().__init__()
        self.head = nn.Linear(5, n_classes)
        self.register_buffer("colors", torch.from_numpy(COLORS / 255).float())
        scores = 5 * torch.tensor([[0.0, 0.8, 0, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0]])
        self.head.load_state_dict({"weight": scores, "bias": torch.zeros(3)})

    def forward(self, x: Any, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        seen = rows_of(x)[:, :3] + 0.5 * isinstance(x, SparseTensor)  # colors of voxels are around 0
        feats = (-torch.cdist(seen, self.colors).square() / 0.02).exp()  # type: ignore[arg-type]
        if isinstance(x, SparseTensor):
            return Elements(self.head(feats), feats, x.sample, x.coords[:, 1:].float(), color)
        maps = [rows.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2) for rows in (self.head(feats), feats)]
        return pixel_elements(*maps, (x.shape[2], x.shape[3]), position, color)


def objects(number: int) -> np.ndarray:
    """The object (12 * 16,) of each place of a scene, in stripes."""
    return np.repeat(np.array(PARTS[number % 3]), 64)


def attributes(number: int) -> dict[str, np.ndarray]:
    rng, own = np.random.default_rng(number), objects(number)
    color = (COLORS[own].astype(int) + rng.integers(-10, 11, (len(own), 3))).clip(0, 255).astype(np.uint8)
    return {"color": color, "segment": TRUTH[own].astype(np.int16)}


def clouds(root: Path, count: int = 9) -> Made:
    grid = np.stack(np.meshgrid(np.arange(12), np.arange(16), [0], indexing="ij"), -1).reshape(-1, 3) * 0.2 + 0.1
    scenes = [Scene(grid, attributes(i), f"train/c{i}", classes=CLASSES.names) for i in range(count)]
    folders = [write_scene(root, scene) for scene in scenes]
    spec = NetworkSpec("ByColor", {"in_channels": 4, "n_classes": 3}, ByColor)
    model = Model(Networks.build(spec), CLASSES, VoxelInputs(0.2, FEATURES))
    return TrainDataset(folders, CLASSES, none(folders), FEATURES, 0.2, tags=tags(folders)), model


def pictures(root: Path, count: int = 9) -> Made:
    size, plain = (12, 16), ((0.0,) * 3, (1.0,) * 3)
    scenes = [
        Scene(pixel_places(*size), attributes(i), f"train/p{i}", classes=CLASSES.names, size=size) for i in range(count)
    ]
    folders = [write_scene(root, scene) for scene in scenes]
    model = Model(Networks.build(NetworkSpec("ByColor", {}, ByColor)), CLASSES, ImageInputs(*plain))
    return PictureDataset(folders, CLASSES, none(folders), *plain, tags=tags(folders)), model


def read(folders: list[Path]) -> list[Scene]:
    return [read_scene(folder, CLASSES, with_labels=True) for folder in folders]


def tags(folders: list[Path]) -> Tags:
    return draw_tags(read(folders), CLASSES)


def none(folders: list[Path]) -> WeakLabels:
    return draw_scenes(read(folders), CLASSES, [], count=0)


KINDS = pytest.mark.parametrize("make", [clouds, pictures])


def label(made: Made, run: Path, kind: type[TagLabels] = Debias, stage: str = "mars", **options: Any) -> WeakLabels:
    data, model = made
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    kind(data, stage, **{"confidence": 0.5, "background": "ground", **options})(model, RunFolder(run), fabric)
    return WeakLabels.load(label_file(run, stage))


def by_object(data: TrainingSet[Any], found: WeakLabels) -> list[dict[int, set[int]]]:
    """The labels that the points of each object have, scene by scene."""
    result = []
    for number, folder in enumerate(data.folders):
        labels, own = found.labels(read_scene(folder, CLASSES, with_labels=False)), objects(number)
        result.append({part: set(labels[own == part].tolist()) for part in PARTS[number % 3]})
    return result


@KINDS
def test_rails_lose_the_label_of_trains_and_nothing_else_changes(make: Callable[[Path], Made], tmp_path: Path) -> None:
    made = make(tmp_path / "scenes")
    found = label(made, tmp_path / "run", TagLabels, "first"), label(made, tmp_path / "run")
    before, after = (by_object(made[0], labels) for labels in found)
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        if number % 3 == 0:
            assert old == {TRAIN: {1}, RAIL: {1}, GRASS: {0}}
            assert new == {TRAIN: {1}, RAIL: {IGNORE}, GRASS: {0}}
        else:
            assert new == old
            assert all(labels == {TRUTH[part]} for part, labels in new.items())


def test_a_label_file_is_cleaned_and_its_weights_stay(tmp_path: Path) -> None:
    made = pictures(tmp_path / "scenes")
    first = label(made, tmp_path / "run", TagLabels, "first", confidence=0.0)
    found = label(made, tmp_path / "run", labels="first")
    for folder in made[0].folders:
        scene = read_scene(folder, CLASSES, with_labels=False)
        kept = found.labels(scene) != IGNORE
        np.testing.assert_array_equal(found.labels(scene)[kept], first.labels(scene)[kept])
        np.testing.assert_allclose(found.weights(scene)[kept], first.weights(scene)[kept], atol=1e-3)  # type: ignore[index]
    assert found.count == first.count - 3 * 64
    assert found.parameters["labels"] == first.sha256
    with pytest.raises(InputError, match="nowhere"):
        label(made, tmp_path / "run", labels="nowhere")


def test_a_crf_keeps_what_looks_alike_together(tmp_path: Path) -> None:
    made = pictures(tmp_path / "scenes")
    assert by_object(made[0], label(made, tmp_path / "run", crf=True))[0] == {TRAIN: {1}, RAIL: {IGNORE}, GRASS: {0}}


def test_a_pass_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = pictures(tmp_path / "scenes")
    once, run, calls = label(made, tmp_path / "whole"), tmp_path / "run", list[str]()
    for name in ("_see", "label"):
        function = getattr(Debias, name)

        def stopped(self: Debias, *arguments: Any, function: Any = function) -> Any:
            calls.append("")
            if len(calls) % 5 == 0:
                raise KeyboardInterrupt
            return function(self, *arguments)

        monkeypatch.setattr(Debias, name, stopped)
        with pytest.raises(KeyboardInterrupt):
            label(made, run)
        assert not label_file(run, "mars").exists()
        monkeypatch.undo()
    assert label(made, run).sha256 == once.sha256
    assert [path.name for path in (run / "labels").iterdir()] == ["mars.npz"]
    others = [label(made, run, **options).sha256 for options in ({"alpha": 0.9}, {"cut": 0.1}, {"points": 50})]
    assert once.sha256 not in others


def test_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    data, _ = pictures(tmp_path / "scenes", 3)
    for options in ({"alpha": 1.5}, {"cut": -1.0}, {"objects": 0}, {"points": 0}, {"background": "sky"}):
        with pytest.raises(InputError, match=rf"stages\.mars\.before.*{next(iter(options))}"):
            Debias(data, "mars", **options)  # type: ignore[arg-type]
    model = Model(Networks(ByColor()), CLASSES, ImageInputs())
    with pytest.raises(InputError, match="missing"):
        label((data, model), tmp_path / "run", features=str(tmp_path / "missing"))
