"""benchmarks/ops.py from the command line, on clouds of a few hundred voxels: the rows, not the numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.harness.clouds import room
from benchmarks.harness.timing import Task, interleaved
from tests.benchmarks._runs import bench, bench_here
from tests.ops.clouds import compiled
from tests.tools._runs import building, failed

KEYS = ["op", "voxels", "channels", "mode", "map", "impl", "ms", "times_limit", "peak_mb"]
QUICK = ("repeats=1", "seconds=0", "threads=1", "channels=[8]")


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows = json.loads(path.read_text())
    for row in rows:
        assert list(row) == KEYS
        assert row["ms"] > 0
    return rows


def test_every_op_has_a_row_for_each_implementation(small_limit: None, tmp_path: Path) -> None:
    done = bench_here("ops", *QUICK, "voxels=[400]", f"json={tmp_path}/o.json")
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "o.json")
    found = {(r["op"], r["mode"], r["map"]) for r in rows}
    both = ("forward", "forward_backward")
    expected = {(op, mode, built) for op in ("subm3", "down2") for mode in both for built in (False, True)}
    expected |= {(op, mode, False) for op in ("up2", "segment", "devoxelize") for mode in both}
    expected |= {(op, "forward", False) for op in ("voxelize", "kernel_map", "neighbors")}
    assert found == expected
    for row in rows:
        convolution = row["op"] in ("subm3", "down2", "up2")
        assert (row["times_limit"] is not None) == convolution
        assert row["channels"] == (8 if convolution or row["op"] in ("segment", "devoxelize") else None)
        assert row["voxels"] == 400
        assert row["peak_mb"] is None
    assert not any("wrong" in row["impl"] for row in rows), done.stdout
    by_op = {op: {r["impl"] for r in rows if r["op"] == op} for op, _, _ in expected}
    assert by_op["neighbors"] >= {"pcseg", "reference", "scipy"}
    assert by_op["kernel_map"] >= {"pcseg", "reference", "numpy"}
    for op in ("voxelize", "segment", "devoxelize"):
        assert by_op[op] >= {"pcseg", "reference", "numpy", "torch"}
    for word in ("128 matrices of float32", "400 voxels", "pairs each", "| ns/voxel |", "`python -m benchmarks.ops"):
        assert word in done.stdout
    assert sum(line.startswith("| ") for line in done.stdout.splitlines()) == len(rows) + 1


def test_options_narrow_what_is_measured(tmp_path: Path) -> None:
    done = bench_here(
        "ops", "repeats=1", "seconds=0", "threads=1", "voxels=[300,600]", "channels=[4,8]", "ops=[up2,down2]",
        "modes=[forward]", "maps=[true]", "impls=[pcseg]", f"json={tmp_path}/o.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [
        (r["op"], r["voxels"], r["channels"], r["mode"], r["map"], r["impl"]) for r in rows_of(tmp_path / "o.json")
    ]
    assert found == [("down2", n, c, "forward", True, "pcseg") for n in (300, 600) for c in (4, 8)]


def test_a_prepared_scene_is_measured_too(tmp_path: Path) -> None:
    scene = building(tmp_path) / "Area_1" / "a"
    done = bench_here(
        "ops", *QUICK, "voxels=[]", f"scene={scene}", "voxel_size=0.2", "ops=[subm3]", "modes=[forward]",
        "maps=[false]", f"json={tmp_path}/o.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    coord = np.load(scene / "coord.npy")
    voxels = len(np.unique(np.floor(coord.astype(np.float64) / 0.2), axis=0))
    assert {row["voxels"] for row in rows_of(tmp_path / "o.json")} == {voxels}
    assert "Area_1/a" in done.stdout
    assert "2048 matrices of float32" in done.stdout


CONVS = (*QUICK, "voxels=[400]", "ops=[subm3,down2,up2]", "maps=[false]", "impls=[pcseg,spconv]")


@pytest.mark.parametrize(("factor", "name"), [("1", "spconv"), ("1.01", "spconv (wrong)")])
@pytest.mark.usefixtures("small_limit", "stand_in")
def test_a_peer_that_is_wrong_is_flagged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: str, name: str
) -> None:
    monkeypatch.setenv("SPCONV_STUB_FACTOR", factor)
    done = bench_here("ops", *CONVS, f"json={tmp_path}/o.json")
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "o.json")
    assert [row["impl"] for row in rows] == ["pcseg", name] * 6
    assert done.stdout.count(f"| {name} |") == 6
    assert ("spconv is wrong: result 0 is off by" in done.stdout) == (name != "spconv")
    assert "\nspconv is patched" in done.stdout


@pytest.mark.usefixtures("small_limit", "stand_in")
def test_a_peer_that_fails_is_reported_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPCONV_STUB_FACTOR", "none")
    done = bench_here("ops", *CONVS, f"json={tmp_path}/o.json")
    assert done.returncode == 0, done.stderr
    assert [row["impl"] for row in rows_of(tmp_path / "o.json")] == ["pcseg"] * 6
    assert "spconv raises ValueError: could not convert string to float" in done.stdout
    assert "and 5 more" in done.stdout


@compiled
def test_peak_memory_is_that_of_the_work(tmp_path: Path) -> None:
    done = bench(
        "ops", "repeats=1", "seconds=0", "voxels=[20000]", "channels=[64]", "ops=[subm3]", "modes=[forward]",
        "maps=[false]", "impls=[pcseg,reference]", "memory=true", f"json={tmp_path}/o.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    own, reference = (row["peak_mb"] for row in rows_of(tmp_path / "o.json"))
    output = 20000 * 64 * 4 / 1e6
    assert 0.9 * output < own < 3 * output
    assert 2 * output < reference < 10 * output  # it also holds what is gathered and what is multiplied


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("voxels=[0]", ["voxels=0"]),
        ("voxels=[]", ["voxels=[]"]),
        ("channels=[0]", ["channels=0"]),
        ("channels=[]", ["empty"]),
        ("ops=[subm4]", ["ops=subm4", "subm3"]),
        ("ops=[]", ["empty"]),
        ("modes=[backward]", ["modes=backward", "forward_backward"]),
        ("impls=[nobody]", ["impls=nobody", "pcseg"]),
        ("impls=[flex_gemm]", ["impls=flex_gemm", "GPU"]),
        ("impls=[scipy]", ["nothing to measure"]),
        ("repeats=0", ["repeats=0"]),
        ("threads=0", ["threads=0"]),
        ("seconds=-1", ["seconds=-1"]),
        ("device=tpu", ["device=tpu"]),
        ("dtype=int8", ["dtype=int8", "float32"]),
        ("scene=nowhere", ["nowhere", "coord.npy"]),
        ("json=tools", ["json=tools", "folder"]),
        ("voxel=[100]", ["voxel=[100]"]),
    ],
)
def test_a_mistake_is_one_line(argument: str, words: list[str]) -> None:
    failed(bench_here("ops", "voxels=[100]", "ops=[subm3]", "repeats=1", "seconds=0", argument), *words)


def test_voxel_size_must_be_a_length(tmp_path: Path) -> None:
    scene = building(tmp_path) / "Area_1" / "a"
    failed(bench_here("ops", "voxels=[]", f"scene={scene}", "voxel_size=0"), "voxel_size=0")


@pytest.mark.parametrize("voxels", [5_000, 30_000, 100_000])
def test_the_synthetic_room_is_as_dense_as_a_scanned_one(voxels: int) -> None:
    cloud = room(voxels)
    assert cloud.coords.shape == (voxels, 4)
    assert 9.9 < cloud.pairs() < 12.1
    assert (cloud.coords >= 0).all()
    assert (np.unique(cloud.coords, axis=0) == cloud.coords).all()
    assert (np.floor(cloud.points) == cloud.coords[cloud.voxel, 1:]).all()
    assert len(np.unique(cloud.voxel)) == voxels
    assert (room(voxels).coords == cloud.coords).all()


def test_samples_are_taken_in_turns() -> None:
    visits: list[str] = []
    tasks = {name: Task(lambda name=name: visits.append(name), lambda: (torch.zeros(1),)) for name in "abc"}
    assert set(interleaved(tasks, repeats=4, seconds=0)) == {"a", "b", "c"}
    assert "".join(visits[-12:]) == "abccbaabccba"
