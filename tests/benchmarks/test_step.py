"""benchmarks/step.py: its rows from the command line, and its sums on a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning_fabric
import pytest
from torch import Tensor

from benchmarks import step
from benchmarks.harness import training
from pcseg.feeding.batch import Batch
from pcseg.feeding.loading import loader
from pcseg.methods import Supervised
from pcseg.scenes.listing import list_scenes
from tests.benchmarks._runs import bench_here
from tests.tools._runs import building, failed

QUICK = ("voxels=[1500,2500]", "steps=2", "batch_size=2", "threads=1", "device=cpu")


def test_each_method_has_a_row_beside_supervised(tmp_path: Path) -> None:
    done = bench_here("step", *QUICK, f"json={tmp_path}/s.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "s.json").read_text())
    assert [(row["method"], row["batches"]) for row in rows] == [
        ("Supervised", "pairs"), ("CrossSamplePropagation", "pairs"),
        ("Supervised", "scenes"), ("IntraSamplePropagation", "scenes"),
    ]  # fmt: skip
    for first, second in (rows[:2], rows[2:]):
        assert first["cost"] == 1
        assert first["voxels"] == second["voxels"] > 100
    for row in rows:
        parts = [row[f"{part}_ms"] for part in ("data", "forward", "backward", "optimizer")]
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(row["step_ms"])
        assert row["voxels_per_second"] == pytest.approx(1000 * row["voxels"] / row["step_ms"])
    assert sum(line.startswith("| ") for line in done.stdout.splitlines()) == 1 + len(rows)
    assert "`python -m benchmarks.step" in done.stdout


def test_prepared_scenes_can_be_named(tmp_path: Path) -> None:
    scenes = building(tmp_path) / "Area_1"
    methods = "methods=[IntraSamplePropagation,SceneContrast]"
    done = bench_here("step", "steps=1", "batch_size=2", f"scenes={scenes}", methods)
    assert done.returncode == 0, done.stderr
    assert "| IntraSamplePropagation | scenes |" in done.stdout
    assert "| SceneContrast | views |" in done.stdout


def test_parts_are_means_and_cost_is_their_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    seen: list[tuple[str, float]] = []
    maps: list[Any] = []

    def loaded(*arguments: Any) -> Iterator[Batch]:
        for batch in loader(*arguments):
            clock[0] += 10
            yield batch

    class Cheap(Supervised):
        seconds = 1.0

        def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
            seen.append((type(self).__name__, progress))
            maps.append(batch.voxels.maps)
            clock[0] += self.seconds
            return super().losses(batch, progress, player)

        def after_step(self, step: int) -> None:
            clock[0] += 0.5 * self.seconds

    class Costly(Cheap):
        seconds = 3.0

    for module in (step, training):
        monkeypatch.setattr(module, "now", lambda: clock[0])
    monkeypatch.setattr(step, "loader", loaded)
    monkeypatch.setattr(step, "Supervised", Cheap)
    dataset = training.make_dataset(list_scenes(building(tmp_path), ["Area_1"]), 0.2)
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    cheap, costly = step.measure(fabric, dataset, Costly, step.Options(steps=2, batch_size=1))
    assert (cheap.data_ms, cheap.forward_ms, cheap.backward_ms, cheap.optimizer_ms) == (10_000, 1_000, 0, 500)
    assert (costly.data_ms, costly.forward_ms, costly.backward_ms, costly.optimizer_ms) == (10_000, 3_000, 0, 1_500)
    assert (cheap.cost, costly.cost, cheap.step_ms, costly.step_ms) == (1, 3, 11_500, 14_500)
    order = ["Cheap", "Costly", "Costly", "Cheap"]
    assert seen[4:] == list(zip(order, (0.25, 0.25, 0.75, 0.75), strict=True))
    assert len({id(one) for one in maps}) == len(maps), "a method found the kernel maps of another"


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("voxels=[]", ["voxels=[]"]),
        ("methods=[]", ["methods=[]"]),
        ("methods=[Supervised]", ["methods=Supervised", "IntraSamplePropagation"]),
        ("network=resnet", ["network=resnet", "minkunet34c"]),
        ("precision=8", ["precision=8", "bf16-mixed"]),
        ("steps=0", ["steps=0"]),
        ("batch_size=3", ["batch_size=3", "pairs"]),
        ("threads=0", ["threads=0"]),
        ("scenes=nowhere", ["nowhere"]),
    ],
)
def test_a_mistake_is_one_line(argument: str, words: list[str]) -> None:
    failed(bench_here("step", *QUICK, argument), *words)
