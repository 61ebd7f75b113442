"""Labels spread over pictures: what colors and the encoder tell of pixels reaches those that no label is near."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
import pytest
import torch

from pcseg.budgets.draw import draw_points
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.engine.encoder_columns import EncoderColumns
from pcseg.engine.folder import RunFolder
from pcseg.engine.rounds import label_file
from pcseg.engine.spread_pass import Spread
from pcseg.errors import InputError
from pcseg.feeding.pictures import PictureDataset
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.pseudo import Spreading
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.scene import Scene, read_scene, write_scene
from tests.methods.tiny_network import TinyPixels

CLASSES = Classes(("road", "car", "sky"))
SIZE = (24, 32)
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def write_drives(root: Path, count: int = 6) -> list[Path]:
    """Pictures of a gray road below a sky, light or dark, and a car as gray as that road, in the middle of the sky."""
    folders = []
    for number in range(count):
        rng = np.random.default_rng(number)
        truth = np.full(SIZE, 2)
        truth[14:] = 0
        left = int(rng.integers(4, 20))
        truth[4:9, left : left + 8] = 1
        shade = np.array([110, 110, [210, 40][number % 2]])[truth]
        color = np.clip(shade[..., None] + rng.normal(0, 8, (*SIZE, 3)), 0, 255).astype(np.uint8).reshape(-1, 3)
        attributes = {"color": color, "segment": truth.reshape(-1).astype(np.int16)}
        scene = Scene(pixel_places(*SIZE), attributes, f"train/p{number}", classes=CLASSES.names, size=SIZE)
        folders.append(write_scene(root, scene))
    return folders


def model(seed: int = 0) -> Model:
    networks = Networks.build(NetworkSpec("TinyPixels", {}, TinyPixels), seed)
    return Model(networks, CLASSES, ImageInputs(MEAN, STD))


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return write_drives(tmp_path / "scenes")


def budget(folders: list[Path], points: int) -> WeakLabels:
    return draw_points([read_scene(folder, CLASSES, with_labels=True) for folder in folders], CLASSES, points)


def spread(folders: list[Path], labels: WeakLabels, run: Path, seed: int = 0, **options: Any) -> WeakLabels:
    data = PictureDataset(folders, CLASSES, labels, MEAN, STD)
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    Spread(data, "one", **options)(model(seed), RunFolder(run), fabric)
    return WeakLabels.load(label_file(run, "one"))


def right(folders: list[Path], found: WeakLabels) -> float:
    """Return the share of all pixels that have their true label."""
    true = [read_scene(folder, CLASSES, with_labels=True).segment for folder in folders]
    rows = [(scene.label == truth[scene.index]).sum() for scene, truth in zip(found.scenes, true, strict=True)]
    return float(sum(rows) / sum(map(len, true)))


def test_five_points_a_picture_reach_nearly_all_pixels(folders: list[Path], tmp_path: Path) -> None:
    """The car, as gray as the road, is told by its height, also where no point fell on it."""
    labels = budget(folders, 5)
    seen = {scene.name: set(scene.label.tolist()) for scene in labels.scenes}
    assert any(1 not in classes for classes in seen.values())
    for rule in ("paths", "walk"):
        every = Spreading(rule, voxel_size=1.0, keep=0)
        assert right(folders, spread(folders, labels, tmp_path / rule, spreading=every, balance=False)) > 0.97


def test_nodes_are_two_pixels_as_the_network_sees_them(folders: list[Path]) -> None:
    for scale in (1.0, 0.5):
        data = PictureDataset(folders, CLASSES, budget(folders, 5), MEAN, STD, scale)
        assert Spread(data, "one").spreading.spreading.voxel_size == 2 / scale


def test_labels_depend_on_the_encoder_only_where_it_is_seen(folders: list[Path], tmp_path: Path) -> None:
    labels = budget(folders, 5)
    sums = {}
    for seed, components in product((0, 1), (0, 3, 4)):
        found = spread(folders, labels, tmp_path / f"{seed}{components}", seed, components=components)
        sums[seed, components] = found.sha256
    assert sums[0, 0] == sums[1, 0]
    assert len({*sums.values()}) == 5
    with pytest.raises(InputError, match=r"stages.one.before.components=-1"):
        spread(folders, labels, tmp_path / "no", components=-1)


def test_columns_are_principal_components_of_each_level_in_place(folders: list[Path]) -> None:
    tiny = model()
    tiny.network.train()
    columns = EncoderColumns(tiny, 2, folders)
    assert tiny.network.training
    image = read_scene(folders[0], CLASSES, with_labels=False).image
    found = columns(image)
    assert found.shape == (SIZE[0] * SIZE[1], 2)  # the only level beside the picture is the coarsest
    np.testing.assert_array_equal(found, columns(image))
    sky, road = found.reshape(*SIZE, 2)[:3].mean(axis=(0, 1)), found.reshape(*SIZE, 2)[-3:].mean(axis=(0, 1))
    assert np.abs(sky - road).max() > 3 * found.reshape(*SIZE, 2)[-3:].std(axis=(0, 1)).min()
    with torch.no_grad():
        tiny.network.down[0].weight.zero_()
    assert np.ptp(columns(image), axis=0).max() < 1e-5
    assert EncoderColumns(model(), 100, folders)(image).shape[1] == 8


def test_paths_alone_spread_too(folders: list[Path], tmp_path: Path) -> None:
    """Colors hold paths back where the sky ends."""
    every = Spreading(voxel_size=1.0, keep=0)
    found = spread(folders, budget(folders, 5), tmp_path / "run", spreading=every, forest=False, balance=False)
    assert right(folders, found) > 0.9


def test_what_a_network_says_of_pixels_counts_too(folders: list[Path], tmp_path: Path) -> None:
    """One that is not trained says next to nothing, and changes confidences alone."""
    every = Spreading(voxel_size=1.0, keep=0)
    labels = budget(folders, 5)
    alone, joined = (
        spread(folders, labels, tmp_path / f"{network}", spreading=every, balance=False, network=network)
        for network in (False, True)
    )
    assert right(folders, joined) > 0.95
    assert all((one.weight >= two.weight).mean() > 0.9 for one, two in zip(alone.scenes, joined.scenes, strict=True))
