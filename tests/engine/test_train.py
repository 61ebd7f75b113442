"""The loop on a network of one layer: stages, seeds, accumulation, resuming to the same bits, and what stops it."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import lightning_fabric
import pytest
import torch
from torch import Tensor, nn

from pcseg.data.batch import Batch
from pcseg.engine.checkpoint import Model, NetworkSpec, read_tensors
from pcseg.engine.folder import RunFolder
from pcseg.engine.run import Settings
from pcseg.engine.schedules import Constant, Cosine
from pcseg.engine.train import Stage, train
from pcseg.errors import InputError
from pcseg.labels import IGNORE, Classes
from pcseg.losses import cross_entropy
from pcseg.methods.base import Method
from pcseg.metrics import ConfusionMatrix


class Killed(Exception):
    """Stands for kill -9."""


class Toy(Method):
    """Cross-entropy of a dropout and a linear layer; stops dead before step ``dies``, is not finite at ``breaks``."""

    def __init__(self, network: nn.Module, dies: int = -1, breaks: int = -1) -> None:
        super().__init__(network)
        self.extra = nn.Linear(2, 2)
        self.dies, self.breaks = dies, breaks
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def losses(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        if int(self.steps) == self.dies:
            raise Killed
        logits = self.network(nn.functional.dropout(batch.feats, 0.5))
        scale = math.nan if int(self.steps) == self.breaks else 1.0
        return {"ce": scale * cross_entropy(logits, batch.labels), "extra": 0.1 * self.extra(logits).square().mean()}

    def after_step(self, step: int) -> None:
        self.steps += 1


def batch(number: int, size: int = 8, labelled: bool = True) -> Batch:
    generator = torch.Generator().manual_seed(number)
    feats = torch.randn(size, 3, generator=generator)
    labels = (feats[:, 0] > 0).long() if labelled else torch.full((size,), IGNORE)
    zeros = torch.zeros(size, 3)
    return Batch(torch.zeros(size, 4, dtype=torch.int32), feats, zeros, zeros, labels, ("a",))


def batches(offset: int, per_step: int, labelled: bool, start: int) -> Iterator[Batch]:
    number = offset + start * per_step
    while True:
        yield batch(number, labelled=labelled)
        number += 1


def run(
    path: Path,
    *,
    steps: int = 6,
    resume: bool = False,
    labelled: bool = True,
    settings: Settings | None = None,
    **toy: int,
) -> tuple[Model, dict[int, float]]:
    """Two stages of ``steps`` steps; the weights and the loss at each step, as the folder holds them."""
    settings = settings or Settings(seed=3, checkpoint_every=4, evaluate_every=5)
    torch.manual_seed(0)
    model = Model(NetworkSpec("toy", {}), nn.Linear(3, 2), Classes(("low", "high")), 0.1, ("ones",))
    adam = partial(torch.optim.AdamW, lr=0.05)
    sgd = partial(torch.optim.SGD, lr=0.05, momentum=0.9)
    source = partial(batches, 0, settings.accumulate, labelled)
    stages = [
        Stage("one", steps, partial(Toy, **toy), adam, Cosine(), source),
        Stage("two", steps, Toy, sgd, Constant(), partial(batches, 1000, settings.accumulate, labelled)),
    ]

    def evaluate() -> ConfusionMatrix:
        matrix = ConfusionMatrix(2)
        test = batch(7777, 200)
        matrix.add(model.network(test.feats).argmax(1), test.labels)
        torch.rand(13)  # an evaluation may draw: nothing after it may depend on that
        return matrix

    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    train(fabric, model, stages, RunFolder(path), settings, evaluate, resume)
    lines = [json.loads(line) for line in (path / "curve.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 2 * steps + 1))
    return model, {line["step"]: line["loss"] for line in lines}


def weights(path: Path) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in read_tensors(path, "model")[0].items()}


def test_training_learns_and_leaves_its_files(tmp_path):
    _, curve = run(tmp_path, steps=60, settings=Settings(seed=1, evaluate_every=40))
    assert sum(list(curve.values())[-10:]) < 0.8 * sum(list(curve.values())[:10])
    _, header = read_tensors(tmp_path / "last.safetensors", "model")
    assert header["record"]["step"] == 120
    assert (tmp_path / "best.safetensors").is_file()
    assert "IoU" in (tmp_path / "train.log").read_text()


@pytest.mark.parametrize("dies", [1, 4, 5])
def test_a_run_that_was_killed_ends_as_if_it_never_stopped(tmp_path, dies):
    _, whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "killed", dies=dies)
    _, resumed = run(tmp_path / "killed", resume=True)
    assert resumed == whole
    assert weights(tmp_path / "killed" / "last.safetensors") == weights(tmp_path / "whole" / "last.safetensors")
    assert weights(tmp_path / "killed" / "best.safetensors") == weights(tmp_path / "whole" / "best.safetensors")


def test_a_finished_run_can_be_resumed_and_stays(tmp_path):
    _, whole = run(tmp_path)
    before = weights(tmp_path / "last.safetensors")
    model, again = run(tmp_path, resume=True)
    assert again == whole
    assert weights(tmp_path / "last.safetensors") == before
    assert model.network.weight.detach().numpy().tobytes() == before["weight"]


def test_another_seed_is_another_run(tmp_path):
    _, one = run(tmp_path / "one", settings=Settings(seed=1))
    _, two = run(tmp_path / "two", settings=Settings(seed=2))
    assert one != two


def test_accumulated_batches_make_the_step_of_one_large_batch(tmp_path):
    network = {}
    for accumulate in (1, 2):
        torch.manual_seed(0)
        model = Model(NetworkSpec("toy", {}), nn.Linear(3, 2), Classes(("low", "high")), 0.1, ("ones",))

        def plain(start: int, accumulate: int = accumulate) -> Iterator[Batch]:
            whole = batch(5)
            cut = [
                Batch(*(getattr(whole, n)[i::2] for n in ("coords", "feats", "position", "color", "labels")), ("a",))
                for i in (0, 1)
            ]
            return iter([whole] if accumulate == 1 else cut)

        class Plain(Method):
            def losses(self, batch: Batch, progress: float) -> dict[str, Tensor]:
                return {"ce": cross_entropy(self.network(batch.feats), batch.labels)}

        stage = Stage("one", 1, Plain, partial(torch.optim.SGD, lr=1.0), Constant(), plain)
        fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
        folder = RunFolder(tmp_path / str(accumulate))
        train(fabric, model, [stage], folder, Settings(accumulate=accumulate), lambda: ConfusionMatrix(2))
        network[accumulate] = model.network.weight.detach().clone()
    torch.testing.assert_close(network[1], network[2])


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tmp_path):
    with pytest.raises(InputError, match=r"step 5 of stage one: ce is nan"):
        run(tmp_path, breaks=5)
    assert read_tensors(tmp_path / "resume.safetensors", "state")[1]["step"] == 4
    assert all(torch.isfinite(t).all() for t in read_tensors(tmp_path / "last.safetensors", "model")[0].values())


def test_a_mistake_in_the_last_stage_is_told_before_the_first_step(tmp_path):
    def broken(network: nn.Module) -> Method:
        raise InputError("stride=3: the network has strides 1, 2")

    taken: list[int] = []

    def counted(start: int) -> Iterator[Batch]:
        taken.append(start)
        return batches(0, 1, True, start)

    model = Model(NetworkSpec("toy", {}), nn.Linear(3, 2), Classes(("low", "high")), 0.1, ("ones",))
    sgd = partial(torch.optim.SGD, lr=0.1)
    stages = [Stage("one", 2, Toy, sgd, Constant(), counted), Stage("two", 2, broken, sgd, Constant(), counted)]
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    with pytest.raises(InputError, match="stride=3"):
        train(fabric, model, stages, RunFolder(tmp_path), Settings(), lambda: ConfusionMatrix(2))
    assert not taken


@pytest.mark.parametrize("wrong", [{"accumulate": 0}, {"clip": 0.0}, {"seed": -1}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Settings(**wrong)


def test_a_stage_without_a_step_is_refused():
    with pytest.raises(InputError, match=r"stages.tail: has 0 steps"):
        Stage("tail", 0, Toy, torch.optim.SGD, Constant(), partial(batches, 0, 1, True))


def test_an_error_in_a_worker_process_stays_one_line(tmp_path):
    class Broken(torch.utils.data.Dataset[Batch]):
        def __getitem__(self, index: int) -> Batch:
            raise InputError("Area_1/a: these labels belong to another cloud; draw them again")

        def __len__(self) -> int:
            return 4

    model = Model(NetworkSpec("toy", {}), nn.Linear(3, 2), Classes(("low", "high")), 0.1, ("ones",))
    workers = torch.utils.data.DataLoader(Broken(), batch_size=None, num_workers=1, multiprocessing_context="fork")
    stage = Stage("one", 2, Toy, partial(torch.optim.SGD, lr=0.1), Constant(), lambda start: workers)
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    with pytest.raises(InputError, match=r"^Area_1/a: these labels belong to another cloud; draw them again$"):
        train(fabric, model, [stage], RunFolder(tmp_path), Settings(), lambda: ConfusionMatrix(2))


def test_batches_without_a_label_do_no_harm(tmp_path):
    model, curve = run(tmp_path, labelled=False)
    assert all(math.isfinite(loss) for loss in curve.values())
    assert torch.isfinite(model.network.weight).all()


def test_other_processes_write_nothing(tmp_path):
    folder = RunFolder(tmp_path / "absent", writes=False, tensorboard=True)
    folder.log("text")
    folder.step(1, {"loss": 1.0})
    folder.begin(0)
    folder.close()
    assert not (tmp_path / "absent").exists()


@pytest.mark.skipif(importlib.util.find_spec("wandb") is not None, reason="wandb is installed here")
def test_wandb_that_is_not_installed_is_told(tmp_path):
    with pytest.raises(InputError, match=r"pip install wandb"):
        RunFolder(tmp_path, wandb="project")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        RunFolder(tmp_path / "file" / "run")
