"""benchmarks/network.py from the command line, on a small network and a few hundred voxels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks._runs import STUBS, bench, bench_here
from tests.benchmarks.test_ops import KEYS
from tests.tools._runs import failed

QUICK = ("network=minkunet_small", "voxels=[400]", "repeats=1", "seconds=0", "threads=1", "memory=false")


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows = json.loads(path.read_text())
    for row in rows:
        assert list(row) == KEYS
        assert (row["op"], row["voxels"], row["channels"], row["map"]) == ("minkunet_small", 400, None, True)
        assert row["ms"] > 0
        assert row["times_limit"] > 0
    return rows


def test_a_row_for_each_mode_and_implementation(small_limit: None, tmp_path: Path) -> None:
    done = bench_here("network", *QUICK, "impls=[pcseg,pcseg_checkpointing,reference]", f"json={tmp_path}/n.json")
    assert done.returncode == 0, done.stderr
    found = [(row["mode"], row["impl"], row["peak_mb"]) for row in rows_of(tmp_path / "n.json")]
    trained = ("pcseg", "pcseg_checkpointing", "reference")
    assert found == [("forward", impl, None) for impl in ("pcseg", "reference")] + [
        ("forward_backward", impl, None) for impl in trained
    ]
    assert "| minkunet_small | 400 |" in done.stdout


@pytest.mark.usefixtures("small_limit", "stand_in")
def test_a_network_on_the_layers_of_a_peer_gives_the_same_scores(tmp_path: Path) -> None:
    done = bench_here("network", *QUICK, "impls=[pcseg,spconv]", f"json={tmp_path}/n.json")
    assert done.returncode == 0, done.stderr
    assert [row["impl"] for row in rows_of(tmp_path / "n.json")] == ["pcseg", "spconv"] * 2, done.stdout


def test_a_peer_that_is_wrong_is_flagged_and_memory_is_measured(tmp_path: Path) -> None:
    done = bench(
        "network", *QUICK[:-1], "modes=[forward]", "impls=[pcseg,spconv]", f"json={tmp_path}/n.json",
        PYTHONPATH=STUBS, SPCONV_STUB_FACTOR="1.003",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "n.json")
    assert [row["impl"] for row in rows] == ["pcseg", "spconv (wrong)"], done.stdout
    assert all(0 < row["peak_mb"] < 200 for row in rows)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("network=resnet", ["network=resnet", "minkunet34c"]),
        ("impls=[numpy]", ["impls=numpy", "pcseg_compiled"]),
        ("modes=[]", ["empty"]),
        ("voxels=[-5]", ["voxels=-5"]),
        ("channels=[8]", ["channels=[8]"]),
    ],
)
def test_a_mistake_is_one_line(argument: str, words: list[str]) -> None:
    failed(bench_here("network", *QUICK, argument), *words)
