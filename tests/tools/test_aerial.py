"""Airborne scans by configuration alone: prepared, trained on and labeled, with columns and computed features."""

from __future__ import annotations

import json
from pathlib import Path

import laspy
import numpy as np
import pytest

import pcseg
from pcseg.formats import read_cloud
from pcseg.model.inputs import VoxelInputs
from tests.tools._runs import failed, tool, tool_here

CLASSES = "names: [ground, tree, house]\nlabel: classification\nids: {2: ground, 5: tree, 6: house}\nignore: [1]\n"


def write_tile(path: Path, seed: int, intensity: bool = True) -> Path:
    """Write a slope of 30 x 30 m with a house and a tree: 2,100 points in meters of a map, 100 of them unlabeled."""
    rng = np.random.default_rng(seed)
    count = 700
    xyz = np.concatenate([rng.random((count, 3)) * size for size in ([30, 30, 0.1], [6, 6, 6], [8, 8, 0.1])])
    xyz[count : 2 * count] += [20, 20, 2]
    xyz[2 * count :] += [5, 5, 6]
    xyz[:, 2] += 0.3 * xyz[:, 0]
    cloud = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
    cloud.header.scales, cloud.header.offsets = [0.01] * 3, [770000, 6277000, 0]
    cloud.x, cloud.y, cloud.z = (xyz + np.array([770500, 6277500, 20])).T
    kind = np.repeat([2, 5, 6], count)
    cloud.classification = np.where(np.arange(len(kind)) % 21 == 0, 1, kind)
    cloud.intensity = rng.normal(kind * 300, 100).clip(1, 65535) * intensity
    cloud.return_number = np.where(kind == 5, rng.integers(1, 4, len(kind)), 1)
    cloud.number_of_returns = np.where(kind == 5, 3, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cloud.write(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with raw tiles, prepared tiles, and a run of a few steps on them."""
    root = tmp_path_factory.mktemp("aerial")
    for seed, name in enumerate(("train/a", "train/b", "val/c")):
        write_tile(root / f"raw/{name}.las", seed)
    (root / "raw/classes.yaml").write_text(CLASSES)
    done = tool("prepare", f"input={root / 'raw'}", f"output={root / 'data'}", "dataset=folder", "workers=1")
    assert done.returncode == 0, done.stderr
    assert "columns kept: intensity (3), return_number (3), number_of_returns (3)" in done.stdout
    assert "columns not used: " in done.stdout
    done = tool(
        "train", "data=als", "augment=aerial", f"data.root={root / 'data'}", f"output={root / 'run'}",
        "network.name=MinkUNet", "+network.channels=[8,8]", "+network.blocks=[1,1]", "steps=30", "batch_size=2",
        "workers=0", "threads=1", "tensorboard=false", "device=cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root


def test_a_tile_comes_back_labeled(run: Path) -> None:
    done = tool_here(
        "predict", f"checkpoint={run / 'run'}", f"input={run / 'raw/val/c.las'}", f"output={run / 'c.las'}"
    )
    assert done.returncode == 0, done.stderr
    given, found = read_cloud(run / "raw/val/c.las"), read_cloud(run / "c.las")
    np.testing.assert_array_equal(found.coord, given.coord)
    assert set(found.fields["label"].tolist()) <= {2, 5, 6}
    known = given.fields["classification"] != 1
    agreement = (found.fields["label"] == given.fields["classification"])[known].mean()
    assert agreement > 0.5
    accuracy = json.loads((run / "run/metrics.json").read_text())["accuracy"]
    assert agreement == pytest.approx(accuracy, abs=1e-9)  # to the point: raw file and prepared scene are seen alike


def test_the_checkpoint_knows_the_ranges_of_its_columns(run: Path) -> None:
    inputs = pcseg.load(run / "run").model.inputs
    assert isinstance(inputs, VoxelInputs)
    ranges = {feature.name: feature.range for feature in inputs.features.each if feature.is_column}
    seen = np.concatenate([np.load(run / f"data/train/{name}/intensity.npy") for name in "ab"])
    assert ranges["intensity"] == pytest.approx(tuple(np.percentile(seen, [1, 99])))
    assert ranges["return_number"] == (1, 3)


def test_a_scan_without_the_columns_is_refused_in_one_line(run: Path, tmp_path: Path) -> None:
    (tmp_path / "bare.xyz").write_text("x y z\n0 0 0\n1 1 1\n")
    done = tool_here("predict", f"checkpoint={run / 'run'}", f"input={tmp_path}/bare.xyz", f"output={tmp_path}/o.las")
    failed(done, "bare.xyz: has no intensity, return_number, number_of_returns")


def test_columns_are_chosen_by_the_user(run: Path, tmp_path: Path) -> None:
    where = (f"input={run / 'raw'}", "dataset=folder", "workers=1")
    done = tool_here("prepare", *where, f"output={tmp_path / 'a'}", "keep=[Scan_Angle]")
    assert "columns kept: scan_angle (3)" in done.stdout
    assert not (tmp_path / "a/train/a/intensity.npy").exists()
    done = tool_here("prepare", *where, f"output={tmp_path / 'a'}", "keep=[intensity]")
    failed(done, "begun with other settings (keep was")
    done = tool_here("prepare", *where, f"output={tmp_path / 'b'}", "keep=[classification]")
    failed(done, "holds labels")
    done = tool_here(
        "train", "data=als", f"data.root={tmp_path / 'a'}", f"output={tmp_path / 'run'}", "device=cpu", "workers=0"
    )
    failed(done, "train/a: has no intensity, return_number, number_of_returns, which the features", "has scan_angle")
