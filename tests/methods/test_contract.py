"""The contract of every file in configs/method; a new one is tested here by existing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import hydra
import lightning_fabric
import pytest
import torch
from omegaconf import OmegaConf

from pcseg.classes import IGNORE, Classes
from pcseg.engine.folder import RunFolder
from pcseg.engine.run import Settings
from pcseg.engine.train import REMEDIES, Optimizer, Stage, train
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.methods import Method
from pcseg.metrics import ConfusionMatrix
from pcseg.model.checkpoint import load_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.model.tensor_file import read_tensors
from tests.methods.tiny_network import make_batch

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "method"
RECIPES: dict[str, dict[str, Any]] = {
    path.stem: OmegaConf.to_container(OmegaConf.load(path))["stages"]  # type: ignore[index,call-overload]
    for path in sorted(CONFIGS.glob("*.yaml"))
}
STAGES = [(name, stage) for name, stages in RECIPES.items() for stage in stages]
every_stage = pytest.mark.parametrize(("recipe", "stage"), STAGES, ids=[f"{r}-{s}" for r, s in STAGES])
every_recipe = pytest.mark.parametrize("recipe", RECIPES)
NEEDS = frozenset(REMEDIES)


def model_of(seed: int = 0) -> Model:
    spec = NetworkSpec("minkunet_small", {"in_channels": 4, "n_classes": 3})
    return Model(Networks.build(spec, seed), Classes(("a", "b", "c")), VoxelInputs(0.1, ("color", "height")))


def method_of(recipe: str, stage: str, model: Model) -> Method:
    torch.manual_seed(1)
    method: Method = hydra.utils.instantiate(RECIPES[recipe][stage]["method"], model, _convert_="all")
    return method


def batch_of(seed: int = 0, labels: int = 30) -> Batch:
    """Two pairs of scans with all that a method may need."""
    batch = make_batch(n_samples=4, n=100, n_labels=labels, seed=seed)
    return replace(
        batch,
        weights=torch.ones(400),
        tags=torch.ones(4, 3, dtype=torch.bool),
        domain=torch.tensor([0, 0, 1, 1]),
        matches=torch.stack([torch.arange(200, 300), torch.arange(300, 400)]),
    )


def losses(method: Method, batch: Batch, progress: float = 1.0) -> dict[str, dict[str, torch.Tensor]]:
    torch.manual_seed(7)
    return {player: method.losses(batch, progress, player) for player in method.players()}


@every_stage
@pytest.mark.parametrize("labels", [0, 1, 100])
@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_losses_and_gradients_are_finite(recipe: str, stage: str, labels: int, progress: float) -> None:
    """With no labeled element, one a sample, and all."""
    method = method_of(recipe, stage, model_of()).train()
    for parts in losses(method, batch_of(labels=labels), progress).values():
        assert parts
        assert all(value.dim() == 0 and bool(value.isfinite()) for value in parts.values()), parts
        sum(parts.values()).backward()  # type: ignore[union-attr]
    assert all(bool(p.grad.isfinite().all()) for p in method.parameters() if p.grad is not None)


@every_stage
def test_labels_are_never_changed_and_read_by_those_that_say_so(recipe: str, stage: str) -> None:
    method = method_of(recipe, stage, model_of()).eval()
    batch = batch_of()
    before = batch.labels.clone()
    first = losses(method, batch)
    assert torch.equal(batch.labels, before)
    known = batch.labels != IGNORE
    other = replace(batch, labels=torch.where(known, (batch.labels + 1) % 3, IGNORE))
    second = losses(method, other)
    read = any(not torch.equal(first[p][name], second[p][name]) for p in first for name in first[p])
    assert read == method.reads_labels


@every_stage
def test_gradients_reach_all_that_is_trained_and_nothing_else(recipe: str, stage: str) -> None:
    model = model_of()
    method = method_of(recipe, stage, model).train()
    trained = {player: [p for g in groups for p in g.parameters] for player, groups in method.players().items()}
    for player, parts in losses(method, batch_of()).items():
        method.zero_grad()
        sum(parts.values()).backward()  # type: ignore[union-attr]
        missed = [n for n, p in method.named_parameters() if any(p is q for q in trained[player]) and p.grad is None]
        assert not missed, f"{player} trains {missed}, which its losses do not reach"
    everyone = [p for parameters in trained.values() for p in parameters]
    for name, network in model.networks.items():
        for weight, parameter in network.named_parameters():
            if not any(parameter is p for p in everyone):
                assert parameter.grad is None, f"{name}.{weight} is not trained but has a gradient"


@every_stage
def test_what_it_needs_is_asked_for_before_the_first_step(recipe: str, stage: str, tmp_path: Path) -> None:
    needs = method_of(recipe, stage, model_of()).needs
    assert needs <= NEEDS, "say in REMEDIES what gives it"
    for need in needs:
        with pytest.raises(InputError, match=rf"stages\.{stage}: .* needs what its batches lack; give {need}: "):
            run(tmp_path, recipe, offers=NEEDS - {need})


class Killed(Exception):
    """Stands for kill -9."""


def batches(dies: int, offset: int, model: Model, start: int) -> Iterable[Batch]:
    for number in range(start, 100):
        if offset + number == dies:
            raise Killed
        yield batch_of(offset + number)


def run(path: Path, recipe: str, dies: int = -1, resume: bool = False, offers: frozenset[str] = NEEDS) -> Model:
    """Train all stages of a recipe, three steps each, with a checkpoint every second step."""
    model = model_of()
    optimizers = {"main": Optimizer(partial(torch.optim.AdamW, lr=0.01))}
    stages = [
        Stage(name, 3, partial(method_of, recipe, name), partial(batches, dies, 3 * i), optimizers, offers=offers)
        for i, name in enumerate(RECIPES[recipe])
    ]
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    train(fabric, model, stages, RunFolder(path), Settings(checkpoint_every=2), lambda: ConfusionMatrix(3), resume)
    return model


@every_recipe
def test_a_killed_run_goes_on_to_the_same_bits_and_deploys_a_plain_network(recipe: str, tmp_path: Path) -> None:
    model = run(tmp_path / "whole", recipe)
    steps = 3 * len(RECIPES[recipe])
    with pytest.raises(Killed):
        run(tmp_path / "killed", recipe, dies=steps - 1)
    run(tmp_path / "killed", recipe, resume=True)
    for name, kind in (("last", "model"), ("resume", "state")):
        whole, killed = (read_tensors(tmp_path / p / f"{name}.safetensors", kind)[0] for p in ("whole", "killed"))
        assert whole.keys() == killed.keys()
        assert all(torch.equal(whole[key], killed[key]) for key in whole)
    found = load_model(tmp_path / "whole").network
    assert type(found) is type(model_of().network)
    assert found.state_dict().keys() == model.spec.build().state_dict().keys()
    batch = batch_of()
    assert torch.equal(found(batch.inputs).logits, model.network.eval()(batch.inputs).logits)


@every_recipe
def test_every_stage_states_its_cost(recipe: str) -> None:
    """Supervised steps that one of its steps takes, for runs of equal compute."""
    for name, stage in RECIPES[recipe].items():
        cost = stage.get("cost", 1.0)
        assert cost >= 1.0, name
        assert ("cost" in stage) == (recipe != "supervised"), name
