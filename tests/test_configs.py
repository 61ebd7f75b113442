"""Every experiment composes, fits the schema, says no more than its choices, and names objects that can be built."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.feeding.transforms import Compose
from pcseg.model.checkpoint import NetworkSpec

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"
sys.path.insert(0, str(ROOT / "tools"))

from _hydra import build, register  # noqa: E402
from _schema import Train  # noqa: E402

EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))
PROMISED = {
    "demo", "custom", "simulated_full", "s3dis_full", "scannet_full",
    "simulated_full_equal_compute",
    *(f"{data}_{budget}_{method}" for data, budget in (
        ("simulated", "1pct"), ("simulated", "20pts"), ("s3dis", "1pct"), ("scannet", "1pct"), ("scannet", "la20"),
    ) for method in ("supervised", "supervised_equal_compute", "dense_propagation")),
}  # fmt: skip


def composed(*overrides: str) -> Train:
    register(Train, "train")
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("train", overrides=[*overrides, "output=out"])
    return OmegaConf.to_object(config)  # type: ignore[return-value]


def choices(group: str) -> list[str]:
    return sorted(f"{group}={path.stem}" for path in (CONFIGS / group).glob("*.yaml"))


def test_the_experiments_are_those_promised():
    assert set(EXPERIMENTS) == PROMISED


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_composes_and_its_objects_can_be_built(experiment):
    config = composed(f"experiment={experiment}")
    features = Features(config.data.features)
    arguments = {k: v for k, v in config.network.items() if k != "_target_"}
    with torch.device("meta"):  # shapes only: the large networks would take seconds to fill
        network = NetworkSpec(
            config.network["_target_"].rpartition(".")[2], {**arguments, "in_channels": features.width, "n_classes": 13}
        ).build()
        methods = [build(part.method, f"stages.{name}", network) for name, part in config.stages.items()]
        optimizers = [build(config.optim.optimizer, "optim.optimizer", list(m.parameters())) for m in methods]
    assert len(optimizers) == len(config.stages) >= 1
    assert 0 <= build(config.optim.schedule, "optim.schedule")(0.5) <= 1
    points = make_points(np.random.default_rng(0).uniform(0, 3, (50, 3)), np.full((50, 3), 99, np.uint8))
    transform = Compose([build(node, name) for name, node in config.augment.transforms.items()])
    assert len(transform(points, np.random.default_rng(0))) == 50
    if config.data.crop:
        assert len(build(config.data.crop, "data.crop")(points.coord, points.coord[0]))
    assert (config.labels.file is None) == ("_full" in experiment or experiment == "custom")
    assert ("dense_propagation" in experiment) <= any(part.pairs for part in config.stages.values())


@pytest.mark.parametrize(
    "choice", [c for g in ("augment", "data", "labels", "method", "network", "optim") for c in choices(g)]
)
def test_each_choice_composes(choice):
    composed(choice)


def test_the_control_computes_as_much_as_dense_propagation():
    control = composed("experiment=simulated_1pct_supervised_equal_compute")
    method = composed("experiment=simulated_1pct_dense_propagation")
    cost = {"cross": 1.75, "intra": 1.8}
    spent = sum(part.steps * cost[name] for name, part in method.stages.items())
    assert sum(part.steps for part in control.stages.values()) == pytest.approx(spent, rel=0.02)
    assert {part.rate for part in control.stages.values()} == {part.rate for part in method.stages.values()}
    assert [part.pairs for part in control.stages.values()] == [part.pairs for part in method.stages.values()]
    for field in ("data", "labels", "network", "augment", "optim", "steps", "batch_size"):
        assert getattr(control, field) == getattr(method, field)


def test_no_two_files_share_ten_lines():
    seen: dict[str, Path] = {}
    for path in sorted(CONFIGS.rglob("*.yaml")):
        lines = [line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        for start in range(len(lines) - 9):
            block = "\n".join(lines[start : start + 10])
            assert block not in seen, f"{path} and {seen[block]} share:\n{block}"
            seen[block] = path
