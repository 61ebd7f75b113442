"""benchmarks/predict.py from the command line, on a few thousand points."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.clouds import room
from pcseg.model.checkpoint import save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from tests.benchmarks._runs import bench_here
from tests.tools._runs import CLASSES, building, checkpoint, failed
from tests.tools.scans import scan

QUICK = ("voxels=[1500]", "repeats=1", "threads=1", "device=cpu")


def test_a_row_for_each_scene_and_number_of_votes(tmp_path: Path) -> None:
    done = bench_here("predict", *QUICK, "votes=[1,3]", f"json={tmp_path}/p.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "p.json").read_text())
    assert [(row["scene"], row["votes"]) for row in rows] == [("synthetic/1500", 1), ("synthetic/1500", 3)]
    points = len(room(1500).points)
    for row in rows:
        assert row["points"] == points
        assert row["points_per_second"] == pytest.approx(1000 * points / row["ms"])
    tables = done.stdout.split("\n\n")[-2:]
    assert [table.count("\n| ") for table in tables] == [len(rows), 5 * len(rows)]
    for row in rows:
        assert list(row["parts"]) == ["bulk and floor", "tiles", "samples of a tile", "network", "the rest"]
        assert all(part["cpu_s"] >= 0 for part in row["parts"].values())
        assert row["parts"]["network"]["cpu_s"] > 0


def test_a_point_file_is_read_and_written_too(tmp_path: Path) -> None:
    source = scan(tmp_path / "scan.las")
    trained = checkpoint(tmp_path / "last.safetensors")
    done = bench_here(
        "predict", *QUICK, "voxels=[]", f"file={source}", f"checkpoint={trained}", f"json={tmp_path}/p.json"
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "p.json").read_text())
    assert (row["scene"], row["points"]) == ("scan.las", 600)
    assert [list(row["parts"])[at] for at in (0, -1)] == ["read", "write"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.safetensors", "p.json", "scan.las"]


def test_a_checkpoint_on_a_prepared_scene(tmp_path: Path) -> None:
    scene = building(tmp_path) / "Area_5" / "c"
    trained = checkpoint(tmp_path / "last.safetensors")
    done = bench_here(
        "predict", *QUICK, "voxels=[]", f"scene={scene}", f"checkpoint={trained}", f"json={tmp_path}/p.json"
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "p.json").read_text())
    coord = np.load(scene / "coord.npy").astype(np.float64)
    assert (row["scene"], row["points"]) == ("Area_5/c", len(coord))
    assert row["voxels"] == len(np.unique(np.floor(coord / 0.2), axis=0))
    assert "voxels of 0.2 m" in done.stdout


def test_a_network_of_intensities_reads_the_column_of_the_scene(tmp_path: Path) -> None:
    scene = building(tmp_path) / "Area_5" / "c"
    trained = tmp_path / "last.safetensors"
    inputs = VoxelInputs(0.2, [{"name": "intensity", "range": [0.0, 1.0]}, "height"])
    spec = NetworkSpec("MinkUNet", {"in_channels": 2, "n_classes": 3, "channels": [8, 8], "blocks": [1, 1]})
    save_model(trained, Model(Networks.build(spec), CLASSES, inputs))
    arguments = (*QUICK, "voxels=[]", f"scene={scene}", f"checkpoint={trained}")
    failed(bench_here("predict", *arguments), "intensity")
    np.save(scene / "intensity.npy", np.random.default_rng(0).random(len(np.load(scene / "coord.npy"))))
    done = bench_here("predict", *arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("voxels=[]", ["voxels=[]"]),
        ("votes=[0]", ["votes=0"]),
        ("votes=[]", ["votes=[]"]),
        ("repeats=0", ["repeats=0"]),
        ("network=resnet", ["network=resnet", "minkunet34c"]),
        ("checkpoint=nowhere", ["nowhere"]),
        ("scene=nowhere", ["nowhere", "coord.npy"]),
        ("file=nowhere.las", ["nowhere.las", "no such file"]),
        ("voxel_size=0", ["voxel_size=0"]),
        ("max_voxels=0", ["max_voxels=0"]),
    ],
)
def test_a_mistake_is_one_line(argument: str, words: list[str]) -> None:
    failed(bench_here("predict", *QUICK, argument), *words)
