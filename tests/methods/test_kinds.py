"""Every kind of method that the contract must carry trains through the loop, is saved and goes on after a kill."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import lightning_fabric
import pytest
import torch

from pcseg.classes import Classes
from pcseg.engine.folder import RunFolder
from pcseg.engine.run import Settings
from pcseg.engine.train import Optimizer, train
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.methods import Method, Supervised
from pcseg.metrics import ConfusionMatrix
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks
from pcseg.model.tensor_file import read_tensors
from tests.methods import kinds
from tests.methods.runs import (
    CONSTRUCTORS,
    EVERYTHING,
    FEATURES,
    KINDS,
    NAMES,
    images,
    model_of,
    run,
    stage,
    tensors,
    voxels,
)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_each_kind_trains_is_saved_alone_and_resumes_to_the_same_bits(tmp_path: Path, kind: Any) -> None:
    class Killed(Exception):
        pass

    def dying(number: int) -> Batch:
        if number == 5:
            raise Killed
        return voxels(number)

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    model = model_of()
    before = copy.deepcopy(model.network.state_dict())
    run(whole, model, [stage(kind, 7)])
    assert any(not torch.equal(value, before[name]) for name, value in model.networks["main"].state_dict().items())
    with pytest.raises(Killed):
        run(stopped, model_of(), [stage(kind, 7, make=dying)])
    run(stopped, model_of(), [stage(kind, 7)], resume=True)
    for name, content in (("last", "model"), ("resume", "state")):
        assert tensors(stopped / f"{name}.safetensors", content) == tensors(whole / f"{name}.safetensors", content)
    found = load_model(whole, CONSTRUCTORS)
    assert found.network.state_dict().keys() == kinds.Points(4, 3).state_dict().keys()
    for name, value in found.network.state_dict().items():
        assert torch.equal(value, model.network.state_dict()[name])


@pytest.mark.parametrize(
    ("kind", "need"),
    [(kinds.Agreeing, "matches"), (kinds.Confident, "domain"), (kinds.Tagged, "tags"), (kinds.Adversarial, "domain")],
)
def test_a_run_whose_data_lacks_a_need_is_refused_before_the_first_step(tmp_path: Path, kind: Any, need: str) -> None:
    stages = [stage(Supervised), stage(kind, name="two", offers=EVERYTHING - {need})]
    with pytest.raises(InputError, match=rf"stages\.two: {kind.__name__} needs .*{need}: "):
        run(tmp_path, model_of(), stages)
    assert not (tmp_path / "curve.jsonl").exists()


def test_a_second_network_has_weights_of_its_own_and_is_kept_from_stage_to_stage(tmp_path: Path) -> None:
    model = model_of()
    drawn = torch.get_rng_state()
    other = copy.deepcopy(model.networks.scratch().make("other"))
    assert torch.equal(drawn, torch.get_rng_state()), "making a network must not move the global generator"
    assert not torch.equal(other.head.weight, model.network.head.weight)
    seen: list[torch.Tensor] = []

    class Second(kinds.CoTraining):
        def __init__(self, model: Model) -> None:
            super().__init__(model)
            seen.append(self.other.head.weight.detach().clone())

    run(tmp_path, model, [stage(kinds.CoTraining), stage(Second, name="two")])
    first = read_tensors(tmp_path / "resume.safetensors", "state")[0]["networks.other.head.weight"]
    assert torch.equal(model.networks["other"].head.weight, first)
    assert not torch.equal(seen[-1], other.head.weight), "the second stage must find the trained network"


def test_the_running_mean_is_scored_saved_and_carried_over_stages(tmp_path: Path) -> None:
    """Against the recursion written out over both stages."""
    model, weights = model_of(), []

    class Watched(kinds.Averaged):
        def after_step(self, step: int) -> None:
            super().after_step(step)
            weights.append(self.network.head.weight.detach().clone())

    scored = []
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)

    def evaluate() -> ConfusionMatrix:
        scored.append(model.network)
        return ConfusionMatrix(3)

    stages = [stage(Watched, 3), stage(Watched, 3, name="two")]
    train(fabric, model, stages, RunFolder(tmp_path), Settings(), evaluate)
    mean = weights[0]
    for now in weights[1:]:
        mean = 0.5 * mean + 0.5 * now
    torch.testing.assert_close(model.networks["mean"].head.weight, mean)
    assert scored == [model.networks["mean"]]
    saved = load_model(tmp_path, CONSTRUCTORS).network.head.weight
    assert torch.equal(saved, model.networks["mean"].head.weight)
    assert not torch.equal(saved, model.networks["main"].head.weight)


def test_a_frozen_teacher_of_another_width_comes_from_a_run_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("pcseg.networks.points", kinds.Points, raising=False)
    monkeypatch.setattr("pcseg.networks.__all__", ["points"])
    teacher = model_of(width=16)
    save_model(tmp_path / "teacher" / "last.safetensors", teacher)
    model = model_of()
    method = partial(kinds.Distilled, run=str(tmp_path / "teacher"))
    run(tmp_path / "run", model, [stage(method), stage(Supervised, name="two")])
    assert model.networks["teacher"].head.weight.shape == (3, 16)
    assert torch.equal(model.networks["teacher"].head.weight, teacher.network.head.weight)
    assert not any(p.requires_grad for p in model.networks["teacher"].parameters())
    foreign = model_of(classes=Classes(("a", "b", "d")))
    with pytest.raises(InputError, match=r"teacher.*classes a, b, c; a teacher needs the run's: .*a, b, d"):
        method(foreign)


def test_images_train_predict_and_come_back(tmp_path: Path) -> None:
    model = model_of("pixels")
    first = run(tmp_path / "short", model_of("pixels"), [stage(Supervised, 1, make=images)])
    last = run(tmp_path / "long", model, [stage(Supervised, 60, make=images)])
    assert last["loss"] < 0.7 * first["loss"]
    found = load_model(tmp_path / "long", CONSTRUCTORS)
    assert found.inputs == ImageInputs()
    batch = images(3)
    assert torch.equal(
        found.network(batch.inputs, position=batch.position).logits,
        model.network.eval()(batch.inputs, position=batch.position).logits,
    )
    assert torch.equal(batch.color[30 + 7], torch.stack([batch.color[37, c] for c in range(3)]))
    assert batch.position[7].tolist() == [1, 2]
    with pytest.raises(TypeError, match="images has no voxels"):
        _ = batch.voxels


def test_players_are_stepped_in_turn_and_leave_each_other_alone(tmp_path: Path) -> None:
    """Against the same two SGD steps written out; the critic has an optimizer and a rate of its own."""
    model = model_of()
    mine = copy.deepcopy(model.network)
    critics: list[Any] = []

    class Watched(kinds.Adversarial):
        def __init__(self, model: Model) -> None:
            super().__init__(model)
            critics.append((self, copy.deepcopy(self.critic)))

    optimizers = {
        "main": Optimizer(partial(torch.optim.SGD, lr=0.05)),
        "critic": Optimizer(partial(torch.optim.SGD, lr=0.5)),
    }
    run(tmp_path, model, [stage(Watched, 1, optimizers=optimizers)])
    method, critic = critics[-1]
    oracle = kinds.Adversarial(Model(Networks(mine), NAMES, VoxelInputs(0.2, FEATURES)))
    oracle.critic = critic
    for player, parameters, rate in (("main", mine.parameters(), 0.05), ("critic", critic.parameters(), 0.5)):
        chosen = list(parameters)
        loss = sum(oracle.losses(voxels(0), 0.0, player).values())
        for weight, gradient in zip(chosen, torch.autograd.grad(loss, chosen, allow_unused=True), strict=True):
            if gradient is not None:
                weight.data -= rate * gradient
    torch.testing.assert_close(method.critic.weight, critic.weight)
    torch.testing.assert_close(model.network.head.weight, mine.head.weight)


def test_a_head_at_another_rate_moves_that_much_more(tmp_path: Path) -> None:
    moved = {}
    for kind in (Supervised, kinds.FastHead):
        model = model_of()
        before = copy.deepcopy(model.network)
        optimizers = {"main": Optimizer(partial(torch.optim.SGD, lr=0.01))}
        run(tmp_path / kind.__name__, model, [stage(kind, 1, optimizers=optimizers)])
        moved[kind] = [model.network.head.bias - before.head.bias, model.network.body[0].bias - before.body[0].bias]
    torch.testing.assert_close(moved[kinds.FastHead][0], 10 * moved[Supervised][0])
    torch.testing.assert_close(moved[kinds.FastHead][1], moved[Supervised][1])


def test_every_kind_ends_with_the_same_weights_in_two_processes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    done = subprocess.run(
        [*command, "-m", "tests.methods.two_processes", str(tmp_path)],
        cwd=Path(__file__).parents[2], env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "same in both" in done.stdout


def test_methods_are_wired_through_attributes(tmp_path: Path) -> None:
    """A method that trains nothing has no player to step."""

    class Idle(Method):
        def players(self) -> dict[str, Any]:
            return {"main": []}

    with pytest.raises(InputError, match=r"stages\.one\.optimizers: player 'main' has .* nothing to train"):
        run(tmp_path, model_of(), [stage(Idle)])
