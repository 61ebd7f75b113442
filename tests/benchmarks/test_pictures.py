"""benchmarks/pictures.py from the command line on small pictures, beside a stand-in for another library."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pcseg.networks
from benchmarks import pictures
from benchmarks.harness.networks import VOXEL_NETWORKS
from benchmarks.harness.pictures import CLASSES, OWN, Candidate, Work
from tests.benchmarks._runs import bench_here
from tests.tools._runs import failed

QUICK = ("size=[32,48]", "batch_size=2", "repeats=1", "threads=1", "device=cpu")
ADAPTERS = tuple(f"benchmarks.peers.{name}" for name in ("segmentation_models_pytorch", "torchvision"))


class Plain(nn.Conv2d):
    """Scores of pictures by one convolution of 3 x 3: 54 operations a pixel and class."""

    def __init__(self, encoder: str, classes: int, **options: Any) -> None:
        super().__init__(3, classes, 3, padding=1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        assert images.is_contiguous(memory_format=torch.channels_last)
        return super().forward(images)


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stand-in for segmentation_models_pytorch, and a torchvision that cannot be imported."""
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", module := ModuleType("stub"))
    vars(module)["DeepLabV3Plus"] = Plain
    monkeypatch.setitem(sys.modules, "torchvision", None)
    yield
    for name in ADAPTERS:
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("peers")
def test_a_row_for_each_network_of_each_library(tmp_path: Path) -> None:
    names = "networks=[v3plus_lite0,v2_lite0]"
    done = bench_here("pictures", *QUICK, names, f"json={tmp_path}/p.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "p.json").read_text())
    peer = "segmentation_models_pytorch"
    assert [(row["network"], row["library"]) for row in rows] == [
        ("v3plus_lite0", "pcseg"), ("v3plus_lite0", peer), ("v2_lite0", "pcseg"),
    ]  # fmt: skip
    assert (rows[1]["parameters"], rows[1]["gflop"]) == (27 * CLASSES, 54 * CLASSES * 32 * 48 / 1e9)
    for row in rows:
        per_batch = 2 * row["gflop"] / row["inference_ms"]  # TFLOP/s, and so is the limit
        assert row["inference_times_limit"] * per_batch == pytest.approx(
            row["step_times_limit"] * 3 * 2 * row["gflop"] / row["step_ms"]
        )
    table = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(table) == 1 + len(rows)
    ratio = rows[1]["step_ms"] / rows[0]["step_ms"]
    assert float(table[2].split(" | ")[-1].rstrip(" |")) == pytest.approx(ratio, rel=0.01)
    assert "torchvision is left out: ModuleNotFoundError" in done.stdout
    assert "2 pictures of 48 x 32" in done.stdout


def test_a_network_of_another_library_that_fails_is_left_out() -> None:
    def fails(classes: int) -> nn.Module:
        raise KeyError("no such encoder\nbut others")

    absent: dict[str, str] = {}
    options = pictures.Options(size=[8, 8], batch_size=2)
    assert not pictures.build([Candidate("plain", "other", fails)], options, "cpu", absent)
    assert absent == {"plain of other": "KeyError: 'no such encoder\\nbut others'"}
    with pytest.raises(KeyError):
        pictures.build([Candidate("plain", "pcseg", fails)], options, "cpu", absent)


def test_a_step_trains_and_inference_does_not() -> None:
    work = Work(Candidate("plain", "other", lambda classes: Plain("", classes)), 2, (8, 8), "cpu", "32-true")
    weights = work.network.weight.detach().clone()
    before = work.infer()
    assert before.shape == (2, CLASSES, 8, 8)
    assert torch.equal(before, work.infer())
    assert work.flops() == 54 * CLASSES * 64
    work.step()
    assert not torch.equal(work.network.weight, weights)
    assert work.network.weight.grad is None


@pytest.mark.parametrize("name", ["v2_lite0", "ocr_lite0"])
def test_own_networks_learn_from_all_their_scores(name: str) -> None:
    spec, arguments = OWN[name]
    work = Work(
        Candidate(name, "pcseg", lambda classes: getattr(pcseg.networks, spec)(3, classes, **arguments)),
        2, (32, 32), "cpu", "32-true",
    )  # fmt: skip
    weights = {name: weight.detach().clone() for name, weight in work.network.named_parameters()}
    work.step()
    assert not [name for name, weight in work.network.named_parameters() if torch.equal(weight, weights[name])]
    assert work.infer().shape == (2 * 32 * 32, CLASSES)


def test_networks_of_voxels_and_of_pictures_are_all_there_are() -> None:
    own = {name for name, _ in OWN.values()}
    assert sorted([*VOXEL_NETWORKS, *own]) == sorted(pcseg.networks.__all__)


@pytest.mark.parametrize("benchmark", ["network", "step", "predict"])
def test_benchmarks_of_voxels_refuse_networks_of_pictures(benchmark: str) -> None:
    failed(bench_here(benchmark, "network=DeepLab"), "network=DeepLab: must be one of MinkUNet, ")


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("networks=[v3]", ["networks=v3: must be one of v3plus_lite0"]),
        ("precision=16", ["precision=16: must be one of 32-true, bf16-mixed"]),
        ("size=[180]", ["size=[180]: give height and width"]),
        ("size=[0,240]", ["size=0"]),
        ("batch_size=1", ["batch_size=1: give 2 or more"]),
        ("repeats=0", ["repeats=0"]),
        ("json=/proc/p.json", ["json=/proc/p.json: cannot write"]),
    ],
)
def test_a_mistake_is_one_line(argument: str, words: list[str]) -> None:
    failed(bench_here("pictures", *QUICK, argument), *words)
