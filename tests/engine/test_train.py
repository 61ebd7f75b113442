"""The loop on a network of one layer: stages, seeds, accumulation, resuming to the same bits, and what stops it."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Iterator
from functools import partial

import lightning_fabric
import pytest
import torch
from lightning_fabric.plugins.precision.amp import MixedPrecision
from torch import Tensor, nn

from pcseg.classes import Classes
from pcseg.engine.folder import RunFolder
from pcseg.engine.run import Settings
from pcseg.engine.seeds import derive
from pcseg.engine.train import Optimizer, Stage, train
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import cross_entropy
from pcseg.methods.base import Method
from pcseg.metrics import ConfusionMatrix
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks
from pcseg.model.tensor_file import read_tensors
from tests.engine._toy import Killed, Toy, batch, batches, run, weights


def sgd(lr: float) -> dict[str, Optimizer]:
    return {"main": Optimizer(partial(torch.optim.SGD, lr=lr))}


def test_training_learns_and_leaves_its_files(tmp_path):
    _, curve = run(tmp_path, steps=60, settings=Settings(seed=1, evaluate_every=40))
    assert sum(list(curve.values())[-10:]) < 0.8 * sum(list(curve.values())[:10])
    _, header = read_tensors(tmp_path / "last.safetensors", "model")
    assert header["record"]["step"] == 120
    assert (tmp_path / "best.safetensors").is_file()
    assert "IoU" in (tmp_path / "train.log").read_text()


@pytest.mark.parametrize(("dies", "accumulate"), [(1, 1), (4, 1), (5, 1), (5, 2)])
def test_a_run_that_was_killed_ends_as_if_it_never_stopped(tmp_path, dies, accumulate):
    settings = Settings(seed=3, accumulate=accumulate, checkpoint_every=4, evaluate_every=5)
    _, whole = run(tmp_path / "whole", settings=settings)
    with pytest.raises(Killed):
        run(tmp_path / "killed", settings=settings, dies=dies)
    _, resumed = run(tmp_path / "killed", settings=settings, resume=True)
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
        model = Model(Networks(nn.Linear(3, 2)), Classes(("low", "high")), VoxelInputs(0.1, ("ones",)))

        def plain(model: Model, start: int, accumulate: int = accumulate) -> Iterator[Batch]:
            whole = batch(5)
            cut = [
                Batch(*(getattr(whole, n)[i::2] for n in ("inputs", "sample", "position", "color", "labels")), ("a",))
                for i in (0, 1)
            ]
            return iter([whole] if accumulate == 1 else cut)

        class Plain(Method):
            def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
                return {"ce": cross_entropy(self.network(batch.inputs), batch.labels)}

        stage = Stage("one", 1, Plain, plain, sgd(1.0))
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


@pytest.mark.parametrize("clip", [10.0, None])
def test_a_gradient_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tmp_path, clip):
    with pytest.raises(InputError, match=r"^step 5 of stage one: the gradient norm is nan; lower optim.optimizer.lr"):
        run(tmp_path, overflows=5, settings=Settings(clip=clip, checkpoint_every=1))
    assert read_tensors(tmp_path / "resume.safetensors", "state")[1]["step"] == 5
    assert all(torch.isfinite(t).all() for t in read_tensors(tmp_path / "last.safetensors", "model")[0].values())


@pytest.mark.parametrize("clip", [10.0, None])
def test_a_gradient_scaler_leaves_out_the_steps_that_overflow(tmp_path, clip):
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    precision = MixedPrecision("16-mixed", "cpu", scaler)
    model, _ = run(tmp_path, overflows=2, settings=Settings(clip=clip), precision=precision)
    assert torch.isfinite(model.network.weight).all()
    assert scaler.get_scale() == 512


def test_each_of_the_accumulated_batches_draws_for_itself(tmp_path):
    drawn: dict[int, list[float]] = {1: [], 3: []}
    for accumulate, values in drawn.items():

        class Drawing(Method):
            def losses(
                self, batch: Batch, progress: float, player: str = "main", values: list[float] = values
            ) -> dict[str, Tensor]:
                with torch.random.fork_rng(devices=[]):  # as a method does that leaves the network's dropout alone
                    values.append(float(torch.rand(())))
                return {"ce": cross_entropy(self.network(batch.inputs), batch.labels)}

        model = Model(Networks(nn.Linear(3, 2)), Classes(("low", "high")), VoxelInputs(0.1, ("ones",)))
        source = partial(batches, 0, accumulate, True)
        stage = Stage("one", 2, Drawing, source, sgd(0.1))
        fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
        folder = RunFolder(tmp_path / str(accumulate))
        train(fabric, model, [stage], folder, Settings(accumulate=accumulate), lambda: ConfusionMatrix(2))
    assert len(set(drawn[3])) == 6
    assert drawn[3][::3] == drawn[1]
    torch.manual_seed(derive(0, 1, 1, 0))  # seed, step, process and batch
    assert drawn[1][1] == float(torch.rand(()))


def test_without_a_label_to_score_on_no_weights_are_the_best(tmp_path):
    model = Model(Networks(nn.Linear(3, 2)), Classes(("low", "high")), VoxelInputs(0.1, ("ones",)))
    source = partial(batches, 0, 1, True)
    stage = Stage("one", 2, Toy, source, sgd(0.1))
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    for resume in (False, True):
        outcome = train(fabric, model, [stage], RunFolder(tmp_path), Settings(), lambda: ConfusionMatrix(2), resume)
        assert outcome.best is None
    assert not (tmp_path / "best.safetensors").exists()


def test_a_mistake_in_the_last_stage_is_told_before_the_first_step(tmp_path):
    def broken(model: Model) -> Method:
        raise InputError("stride=3: the network has strides 1, 2")

    taken: list[int] = []

    def counted(model: Model, start: int) -> Iterable[Batch]:
        taken.append(start)
        return batches(0, 1, True, model, start)

    model = Model(Networks(nn.Linear(3, 2)), Classes(("low", "high")), VoxelInputs(0.1, ("ones",)))
    stages = [Stage("one", 2, Toy, counted, sgd(0.1)), Stage("two", 2, broken, counted, sgd(0.1))]
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
        Stage("tail", 0, Toy, partial(batches, 0, 1, True), sgd(0.1))


def test_an_error_in_a_worker_process_stays_one_line(tmp_path):
    class Broken(torch.utils.data.Dataset[Batch]):
        def __getitem__(self, index: int) -> Batch:
            raise InputError("Area_1/a: these labels belong to another cloud; draw them again")

        def __len__(self) -> int:
            return 4

    model = Model(Networks(nn.Linear(3, 2)), Classes(("low", "high")), VoxelInputs(0.1, ("ones",)))
    workers = torch.utils.data.DataLoader(Broken(), batch_size=None, num_workers=1, multiprocessing_context="fork")
    stage = Stage("one", 2, Toy, lambda model, start: workers, sgd(0.1))
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    with pytest.raises(InputError, match=r"^Area_1/a: these labels belong to another cloud; draw them again$"):
        train(fabric, model, [stage], RunFolder(tmp_path), Settings(), lambda: ConfusionMatrix(2))


def test_batches_without_a_label_do_no_harm(tmp_path):
    model, curve = run(tmp_path, labeled=False)
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
