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
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.model.tensor_file import read_tensors
from tests.methods.tiny_network import TinyPixels, make_batch, make_pictures

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "method"
RECIPES: dict[str, dict[str, Any]] = {
    path.stem: OmegaConf.to_container(OmegaConf.load(path))["stages"]  # type: ignore[index,call-overload]
    for path in sorted(CONFIGS.glob("*.yaml"))
}
NEEDS = frozenset(REMEDIES)
CONSTRUCTORS = {"TinyPixels": TinyPixels}
SMALL = {"channels": (16,) * 6, "blocks": (1,) * 6, "stem_channels": 16}
"""A network for points: its coarsest level is at stride 8, which recipes name."""


def model_of(kind: str = "voxels", seed: int = 0) -> Model:
    classes = Classes(("a", "b", "c"))
    if kind == "pixels":
        spec = NetworkSpec("TinyPixels", {"in_channels": 3, "n_classes": 3}, TinyPixels)
        return Model(Networks.build(spec, seed), classes, ImageInputs())
    spec = NetworkSpec("MinkUNet", {"in_channels": 4, "n_classes": 3, **SMALL})
    return Model(Networks.build(spec, seed), classes, VoxelInputs(0.1, ("color", "height")))


def method_of(recipe: str, stage: str, model: Model) -> Method:
    """The method of a stage; one that learns from other runs finds two of them."""
    settings = RECIPES[recipe][stage]["method"]
    if "teachers" in settings:
        settings = settings | {"teachers": [teacher(model, number) for number in (1, 2)]}
    torch.manual_seed(1)
    method: Method = hydra.utils.instantiate(settings, model, _convert_="all")
    return method


def teacher(model: Model, number: int) -> str:
    """Put a frozen network into the model as if it came from another run, and return the folder of that."""
    name, folder = f"teacher_{number}", f"run_{number}"
    model.networks.make(name).eval().requires_grad_(False)
    model.networks.specs[name] = replace(model.networks.specs["main"], source=folder)
    return folder


def kinds(recipe: str) -> tuple[str, ...]:
    """The kinds of elements that a method takes: pixels where no stage says that it needs voxels."""
    needs = frozenset[str]().union(*(method_of(recipe, stage, model_of()).needs for stage in RECIPES[recipe]))
    return ("voxels",) if "voxels" in needs else ("voxels", "pixels")


KINDS = [(recipe, kind) for recipe in RECIPES for kind in kinds(recipe)]
STAGES = [(recipe, stage, kind) for recipe, kind in KINDS for stage in RECIPES[recipe]]
every_stage = pytest.mark.parametrize(("recipe", "stage", "kind"), STAGES, ids=["-".join(ids) for ids in STAGES])
every_recipe = pytest.mark.parametrize(("recipe", "kind"), KINDS, ids=["-".join(ids) for ids in KINDS])


def batch_of(kind: str = "voxels", seed: int = 0, labels: int = 30) -> Batch:
    """Two pairs of scans or pictures with all that a method may need."""
    make = make_pictures if kind == "pixels" else make_batch
    batch = make(n_samples=4, n=100, n_labels=labels, seed=seed)
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
def test_losses_and_gradients_are_finite(recipe: str, stage: str, kind: str, labels: int, progress: float) -> None:
    """With no labeled element, one a sample, and all."""
    method = method_of(recipe, stage, model_of(kind)).train()
    for parts in losses(method, batch_of(kind, labels=labels), progress).values():
        assert parts
        assert all(value.dim() == 0 and bool(value.isfinite()) for value in parts.values()), parts
        sum(parts.values()).backward()  # type: ignore[union-attr]
    assert all(bool(p.grad.isfinite().all()) for p in method.parameters() if p.grad is not None)


@every_stage
def test_labels_are_never_changed_and_read_by_those_that_say_so(recipe: str, stage: str, kind: str) -> None:
    method = method_of(recipe, stage, model_of(kind)).eval()
    batch = batch_of(kind)
    before = batch.labels.clone()
    first = losses(method, batch)
    assert torch.equal(batch.labels, before)
    known = batch.labels != IGNORE
    other = replace(batch, labels=torch.where(known, (batch.labels + 1) % 3, IGNORE))
    second = losses(method, other)
    read = any(not torch.equal(first[p][name], second[p][name]) for p in first for name in first[p])
    assert read == method.reads_labels


@every_stage
def test_auxiliary_scores_are_trained_by_those_that_read_labels(recipe, stage, kind, monkeypatch) -> None:
    model = model_of(kind)
    usual = type(model.network).decode

    def decode(*arguments: Any, **named: Any) -> Any:
        elements = usual(*arguments, **named)
        return replace(elements, outputs={"aux": 2 * elements.logits})

    monkeypatch.setattr(type(model.network), "decode", decode)
    method = method_of(recipe, stage, model).train()
    assert any("aux" in parts for parts in losses(method, batch_of(kind)).values()) == method.reads_labels


@every_stage
def test_tags_are_read_by_those_that_say_so_alone(recipe: str, stage: str, kind: str) -> None:
    """Samples of the others are not cut to the sub-clouds that have tags."""
    method = method_of(recipe, stage, model_of(kind)).eval()
    assert "tags" not in method.needs or method.reads_tags
    if method.reads_tags:
        return
    batch = batch_of(kind)
    first, second = losses(method, batch), losses(method, replace(batch, tags=None))
    assert all(torch.equal(first[p][name], second[p][name]) for p in first for name in first[p])


@every_stage
def test_gradients_reach_all_that_is_trained_and_nothing_else(recipe: str, stage: str, kind: str) -> None:
    model = model_of(kind)
    method = method_of(recipe, stage, model).train()
    trained = {player: [p for g in groups for p in g.parameters] for player, groups in method.players().items()}
    for player, parts in losses(method, batch_of(kind)).items():
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
def test_what_it_needs_is_asked_for_before_the_first_step(recipe: str, stage: str, kind: str, tmp_path: Path) -> None:
    needs = method_of(recipe, stage, model_of(kind)).needs
    assert needs <= NEEDS, "say in REMEDIES what gives it"
    for need in needs:
        first = next(name for name in RECIPES[recipe] if need in method_of(recipe, name, model_of(kind)).needs)
        with pytest.raises(InputError, match=rf"stages\.{first}: .* needs what its batches lack; give {need}: "):
            run(tmp_path, recipe, kind, offers=NEEDS - {need})


class Killed(Exception):
    """Stands for kill -9."""


def batches(kind: str, dies: int, offset: int, model: Model, start: int) -> Iterable[Batch]:
    for number in range(start, 100):
        if offset + number == dies:
            raise Killed
        yield batch_of(kind, offset + number)


def run(
    path: Path,
    recipe: str,
    kind: str,
    dies: int = -1,
    resume: bool = False,
    offers: frozenset[str] = NEEDS,
    device: str = "cpu",
) -> Model:
    """Train all stages of a recipe, three steps each, with a checkpoint every second step."""
    model = model_of(kind)
    optimizers = {"main": Optimizer(partial(torch.optim.AdamW, lr=0.01))}
    stages = [
        Stage(name, 3, partial(method_of, recipe, name), partial(batches, kind, dies, 3 * i), optimizers, offers=offers)
        for i, name in enumerate(RECIPES[recipe])
    ]
    fabric = lightning_fabric.Fabric(accelerator=device, devices=1)
    train(fabric, model, stages, RunFolder(path), Settings(checkpoint_every=2), lambda: ConfusionMatrix(3), resume)
    return model


@every_recipe
def test_a_killed_run_goes_on_to_the_same_bits_and_deploys_a_plain_network(
    recipe: str, kind: str, tmp_path: Path
) -> None:
    model = run(tmp_path / "whole", recipe, kind)
    steps = 3 * len(RECIPES[recipe])
    with pytest.raises(Killed):
        run(tmp_path / "killed", recipe, kind, dies=steps - 1)
    run(tmp_path / "killed", recipe, kind, resume=True)
    for name, form in (("last", "model"), ("resume", "state")):
        whole, killed = (read_tensors(tmp_path / p / f"{name}.safetensors", form)[0] for p in ("whole", "killed"))
        assert whole.keys() == killed.keys()
        assert all(torch.equal(whole[key], killed[key]) for key in whole)
    found = load_model(tmp_path / "whole", CONSTRUCTORS).network
    assert type(found) is type(model_of(kind).network)
    assert found.state_dict().keys() == model.spec.build().state_dict().keys()
    batch = batch_of(kind)
    assert torch.equal(found(batch.inputs).logits, model.network.eval()(batch.inputs).logits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@every_recipe
def test_on_a_gpu_it_trains_a_network_that_answers_the_same_on_a_cpu(recipe: str, kind: str, tmp_path: Path) -> None:
    trained = run(tmp_path, recipe, kind, device="cuda").network.eval()
    batch = batch_of(kind)
    there = trained(batch.to("cuda").inputs).logits
    here = load_model(tmp_path, CONSTRUCTORS).network(batch.inputs).logits
    assert bool(there.isfinite().all())
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_stage_states_its_cost(recipe: str) -> None:
    """Supervised steps that one of its steps takes, for runs of equal compute."""
    for name, stage in RECIPES[recipe].items():
        cost = stage.get("cost", 1.0)
        assert cost >= 1.0, name
        assert ("cost" in stage) == (recipe != "supervised"), name
