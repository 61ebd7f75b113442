"""Every choice of data, labels and method composes, fits the schema and names objects that can be built."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from pcseg.classes import Classes
from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.feeding.samplers import Plan
from pcseg.feeding.transforms import Compose
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.scenes.points import Points

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"
sys.path.insert(0, str(ROOT / "tools"))

from _hydra import build, register  # noqa: E402
from _schema import Part, Player, Train, recipe, run_name  # noqa: E402
from _training import image_inputs, make_optimizer  # noqa: E402

ONLY_VOXELS = ("coarse_propagation", "dense_propagation", "scene_contrast")
"""Methods that take no pictures."""


register(Train, "train")


@cache
def unresolved(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("train", overrides=[*overrides, "output=out"])


@cache
def composed(*overrides: str) -> Train:
    return OmegaConf.to_object(unresolved(*overrides))  # type: ignore[return-value]


def stages_of(experiment: str, method: str) -> dict[str, Part]:
    """Return what composing both gives, as the first test compares: the method's stages, on the experiment's data."""
    config = unresolved(f"experiment={experiment}").copy()
    config.stages = unresolved(f"method={method}").stages
    return OmegaConf.to_object(config).stages  # type: ignore[union-attr]


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


METHODS = [(f"method={method}",) for method in names("method")]
METHODS += [("method=supervised", f"match={method}") for method in names("method")]


class Scenes:
    """Eight scenes that all hold four classes, with strong transforms."""

    strong = Compose(())

    def __len__(self) -> int:
        return 8

    def counts(self) -> np.ndarray:
        return np.ones((8, 4), dtype=np.int64)

    def labeled(self) -> np.ndarray:
        return self.counts().sum(axis=1) > 0


@pytest.mark.parametrize("experiment", names("experiment"))
def test_every_experiment_takes_every_budget_and_method(experiment: str) -> None:
    """Methods and budgets take turns: each is there with two experiments or more, and no choice knows of another.

    Each stage to come after takes its turn with each method.
    """
    alone = composed(f"experiment={experiment}")
    turn, afterwards = names("experiment").index(experiment), names("then")
    for number in range(turn % 4, len(METHODS), 4):
        choices, labels = METHODS[number % len(METHODS)], names("labels")[(number + turn) % len(names("labels"))]
        config = composed(f"experiment={experiment}", f"labels={labels}", *choices)
        for field in ("data", "network", "augment", "optim", "steps", "batch_size"):
            assert getattr(config, field) == getattr(alone, field), f"{labels} {choices} decide about {field}"
        assert (config.labels.file is None) == (labels == "full")
        stages = recipe(config)
        assert list(stages) == list((config.match or config).stages)
        if config.match:
            assert {part.method["_target_"] for part in stages.values()} == {"pcseg.methods.Supervised"}
        if not config.match:
            assert stages == stages_of(experiment, choices[0].removeprefix("method="))
            then = afterwards[(turn // 4 + number) % len(afterwards)]
            assert list(composed(f"experiment={experiment}", *choices, f"then={then}").stages) == [*stages, "then"]
        assert all(part.cost > 0 and round(part.steps * config.steps) > 0 for part in stages.values())


@pytest.mark.parametrize("experiment", names("experiment"))
def test_the_objects_of_an_experiment_can_be_built(experiment: str) -> None:
    config = composed(f"experiment={experiment}")
    inputs: VoxelInputs | ImageInputs
    if config.data.images is None:
        inputs, kind = VoxelInputs(config.data.voxel_size, Features(config.data.features)), {"voxels"}
    else:
        inputs, kind = image_inputs(config.data.images), set()
    given = frozenset({"tags"})  # by a file
    arguments = {**config.network, "in_channels": inputs.width, "n_classes": 4}
    spec = NetworkSpec(arguments.pop("name"), arguments)
    with torch.device("meta"):  # shapes only: the large networks would take seconds to fill
        model = Model(Networks(spec.build(), spec), Classes(("a", "b", "c", "d")), inputs)
        model.networks.add("teacher_1", spec.build(), replace(spec, source="run"))  # as if it came from another run
        for method in names("method"):
            for name, part in stages_of(experiment, method).items():
                if not kind and method in ONLY_VOXELS:
                    continue
                teachers = {"teachers": ["run"]} if "teachers" in part.method else {}
                made = build(part.method | teachers, f"stages.{name}", model)
                assert ("voxels" in made.needs) == (method in ONLY_VOXELS), method
                groups = [{"params": list(group.parameters)} for group in made.players()["main"]]
                make_optimizer(config, name, part, "main").make(groups)
                if part.sampler:
                    sampler = build(part.sampler, f"stages.{name}.sampler", Scenes(), Plan(config.batch_size, 1))
                    assert config.batch_size // 2 < len(next(iter(sampler))) <= config.batch_size
                    assert made.needs <= sampler.offers | kind | given
                else:
                    assert made.needs <= kind | given
    augment = [build(node, name) for name, node in config.augment.transforms.items()]
    crop = build(config.data.crop, "data.crop") if config.data.crop else None
    if not kind:
        assert crop((360, 480), config.data.images.get("scale", 1.0), np.random.default_rng(0)).size
        return
    coord = np.random.default_rng(0).uniform(0, 3, (50, 3))
    points = make_points(Points(coord, {"color": np.full((50, 3), 99, np.uint8)}))
    assert len(Compose(augment)(points, np.random.default_rng(0))) == 50
    assert crop is None or len(crop(points.coord, points.coord[0]))


@pytest.mark.parametrize(
    "choice",
    [
        f"{group}={name}"
        for group in ("augment", "data", "labels", "method", "network", "optim")
        for name in names(group)
    ],
)
def test_each_choice_composes(choice: str) -> None:
    composed(choice)


def only_combines(text: str) -> bool:
    """Return whether an experiment file sets nothing but labels and method, which are chosen beside an experiment."""
    content = yaml.safe_load(text)
    replaced = [key for entry in content.pop("defaults", []) if isinstance(entry, dict) for key in entry]
    groups = {key.removeprefix("override ").strip("/") for key in replaced}
    return not content and groups <= {"labels", "method", "match"}


def test_an_experiment_is_no_product_of_choices() -> None:
    assert set(names("experiment")) <= {*names("data"), "demo"}
    for name in names("experiment"):
        text = (CONFIGS / "experiment" / f"{name}.yaml").read_text()
        assert not only_combines(text), f"experiment={name} is labels=... method=... beside another experiment"
    assert only_combines("defaults: [s3dis, {override /labels: 1pct}, {override /method: dense_propagation}]")
    assert not only_combines("defaults: [s3dis, {override /labels: 1pct}]\nsteps: 5")


def test_a_matched_run_computes_as_much_on_the_same_batches() -> None:
    """Costs of a step: 1.75 and 1.8 supervised ones, measured before costs were a setting."""
    stages = recipe(composed("experiment=simulated", "method=supervised", "match=dense_propagation"))
    shares = {name: (part.steps, part.rate) for name, part in stages.items()}
    assert shares == {"cross": (1.75, 1.0), "intra": (pytest.approx(0.45), 0.1)}
    own = composed("method=supervised").stages["main"].sampler
    assert [part.sampler for part in stages.values()] == [{"_target_": "pcseg.feeding.samplers.PairSampler"}, own]
    changed = composed("match=dense_propagation", "match.stages.intra.steps=0.5", "+stages.main.method.lovasz=0.5")
    assert recipe(changed)["intra"].steps == pytest.approx(0.9)
    assert {part.method["lovasz"] for part in recipe(changed).values()} == {0.5}


def test_a_player_has_its_own_optimizer_or_that_of_all() -> None:
    config = composed("optim.optimizer.lr=0.2")
    own = Player(optimizer={"_target_": "torch.optim.SGD", "lr": 0.5})
    part = Part(method={}, rate=0.1, optimizers={"critic": own})
    for player, kind, rate in (("main", torch.optim.AdamW, 0.02), ("critic", torch.optim.SGD, 0.05)):
        chosen = make_optimizer(config, "main", part, player)
        made = chosen.make([{"params": [torch.nn.Parameter(torch.zeros(1))]}])
        assert isinstance(made, kind)
        assert made.param_groups[0]["lr"] == pytest.approx(rate)
        assert chosen.schedule == build(config.optim.schedule, "optim.schedule")


def test_a_run_is_named_from_its_choices() -> None:
    assert run_name({"experiment": "demo"}) == "demo"
    assert run_name({"method": "b", "labels": "a", "experiment": "s3dis"}) == "s3dis_a_b"
    assert run_name({"match": "b", "network": "n"}) == "own_match_b_n"


def test_no_two_files_share_ten_lines() -> None:
    seen: dict[str, Path] = {}
    for path in sorted(CONFIGS.rglob("*.yaml")):
        lines = [line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        for start in range(len(lines) - 9):
            block = "\n".join(lines[start : start + 10])
            assert block not in seen, f"{path} and {seen[block]} share:\n{block}"
            seen[block] = path
