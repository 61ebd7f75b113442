"""tools/lift_labels.py features=... as typed: what a small ViT of random weights sees becomes columns of scenes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

from pcseg.budgets.draw import draw_points
from pcseg.classes import S3DIS
from pcseg.datasets import open_dataset
from pcseg.scenes.scene import list_columns, read_scene, write_scene
from pcseg.simulation import Settings, simulate_room
from tests.pseudo.test_vit import small
from tests.tools._runs import TINY, failed, tool_here

ROOMS = ("Area_1/office_1", "Area_5/office_1")


@pytest.fixture(scope="module")
def building(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two raw rooms of two frames each, the prepared ones, and the weights of a ViT."""
    root = tmp_path_factory.mktemp("building")
    for seed, name in enumerate(ROOMS):
        simulate_room(root / f"made_{seed}", 1, seed, Settings(points=4000, frames=2)).rename(root / f"room_{seed}")
        (root / "raw" / name).parent.mkdir(parents=True)
        (root / f"room_{seed}").rename(root / "raw" / name)
    reader = open_dataset(str(root / "raw"), "s3dis")
    for name in ROOMS:
        write_scene(root / "scenes", reader.read(name)[0])
    safetensors.torch.save_file(small().state_dict(), root / "vit.safetensors")
    return root


def lift(building: Path, output: Path, split: str, *more: str) -> subprocess.CompletedProcess[str]:
    found = (f"root={building / 'scenes'}", f"splits=[{split}]", f"frames={building / 'raw'}", f"output={output}")
    return tool_here("lift_labels", *found, f"features={building / 'vit.safetensors'}", "side=32", *more)


def test_columns_that_networks_and_forests_read(building: Path, tmp_path: Path) -> None:
    for split in ("Area_1", "Area_5"):
        done = lift(building, tmp_path / "lifted", split, "components=3")
        assert done.returncode == 0, done.stderr
        assert "1 scenes written" in done.stdout
    for name in ROOMS:
        folder, before = tmp_path / "lifted" / name, read_scene(building / "scenes" / name, S3DIS, with_labels=True)
        names = ["lifted_0", "lifted_1", "lifted_2"]
        scene = read_scene(folder, S3DIS, with_labels=True, columns=names)
        assert list_columns(folder) == names
        assert scene.digest() == before.digest()
        np.testing.assert_array_equal(scene.segment, before.segment)
        values = np.stack([scene.attributes[column] for column in names], axis=1)
        assert np.isfinite(values).all()
        assert (values.std(axis=0) > 0).all()
        assert (values != 0).any(axis=1).mean() > 0.15
    budget = draw_points([read_scene(building / "scenes" / ROOMS[0], S3DIS, with_labels=True)], S3DIS, 300)
    budget.save(tmp_path / "labels.npz")
    run = (
        f"data.root={tmp_path / 'lifted'}", "data.train=[Area_1]", "data.test=[Area_5]", "steps=2", "batch_size=2",
        f"labels.file={tmp_path / 'labels.npz'}", "data.features=[color,height,lifted_0,lifted_1]",
        f"output={tmp_path / 'run'}", *TINY,
    )  # fmt: skip
    done = tool_here("train", *run)
    assert done.returncode == 0, done.stderr
    spread = (f"root={tmp_path / 'lifted'}", f"labels={tmp_path / 'labels.npz'}", f"output={tmp_path / 'spread.npz'}")
    done = tool_here("spread_labels", *spread, "features=[color,lifted_0]", "voxel_size=0.2", "threads=1")
    assert done.returncode == 0, done.stderr


def test_no_label_is_read_and_scenes_are_done_once(building: Path, tmp_path: Path) -> None:
    shutil.copytree(building / "scenes", tmp_path / "scenes")
    (tmp_path / "scenes" / ROOMS[0] / "segment.npy").write_bytes(b"garbage")
    arguments = ("components=2", f"root={tmp_path / 'scenes'}")
    for output, more in ((tmp_path / "a", ()), (tmp_path / "b", arguments)):
        done = lift(building, output, "Area_1", "components=2", *more)
        assert done.returncode == 0, done.stderr
    first, second = (np.load(tmp_path / kind / ROOMS[0] / "lifted_1.npy") for kind in "ab")
    np.testing.assert_array_equal(first, second)
    done = lift(building, tmp_path / "a", "Area_1", "components=2")
    assert "0 scenes written" in done.stdout
    other = lift(building, tmp_path / "a", "Area_5", "components=3")
    failed(other, "lifted.json", "components was 2, now 3", "give another output")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["features=none.pth"], "none.pth: no such file"),
        (["features={building}/scenes/dataset.json"], "weights are read from"),
        (["components=0"], "components=0: features have 128 channels"),
        (["side=2"], "side=2: is below the patches"),
        (["layer=x"], "layer=x: is for .onnx files"),
        (["output={building}/scenes/more"], "overlaps root="),
        (["frames={building}/scenes"], "no frames of"),
        (["splits=[Area_9]"], "no scene folder here"),
    ],
)
def test_options_that_cannot_be(building: Path, tmp_path: Path, options: list[str], words: str) -> None:
    more = [option.format(building=building) for option in options]
    failed(lift(building, tmp_path / "lifted", "Area_1", *more), words)
    assert not (tmp_path / "lifted" / "Area_1").exists()
