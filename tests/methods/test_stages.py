"""Networks from stage to stage: names, teachers, freezing, and mistakes of later stages found before the first step."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pcseg.classes import Classes
from pcseg.elements import Elements
from pcseg.engine.folder import RunFolder
from pcseg.engine.rounds import label_file
from pcseg.engine.train import Optimizer
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.methods import Method, Supervised
from pcseg.methods.base import groups
from pcseg.model.checkpoint import add_teacher, save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.sparse import SparseTensor
from tests.methods import kinds
from tests.methods.runs import FEATURES, NAMES, SGD, run, stage, tensors, voxels


class Normed(nn.Module):
    """A layer with running statistics on each voxel alone."""

    strides = (1,)

    def __init__(self, in_channels: int, n_classes: int, width: int = 8) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(in_channels, width), nn.BatchNorm1d(width), nn.ReLU())
        self.head = nn.Linear(width, n_classes)

    def forward(self, inputs: SparseTensor, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        feats = self.body(inputs.feats)
        return Elements(self.head(feats), feats, inputs.sample, inputs.coords[:, 1:].float(), color)


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let checkpoints name the network."""
    monkeypatch.setattr("pcseg.networks.normed", Normed, raising=False)
    monkeypatch.setattr("pcseg.networks.__all__", ["normed"])


def normed(seed: int = 0, **arguments: int) -> Model:
    spec = NetworkSpec("normed", {"in_channels": 4, "n_classes": 3, **arguments}, Normed)
    return Model(Networks.build(spec, seed), NAMES, VoxelInputs(0.2, FEATURES))


def teacher(path: Path, **options: int) -> nn.Module:
    """Leave a run folder with a network whose running statistics are not those of any batch."""
    model = normed(**options)
    model.network.body[1].running_mean.fill_(0.5)  # type: ignore[index,operator,union-attr]
    save_model(path / "last.safetensors", model)
    return model.network.eval()


def test_a_frozen_teacher_answers_as_at_test_time_and_never_changes(tmp_path: Path) -> None:
    wanted, seen = teacher(tmp_path / "teacher"), []

    class Watched(kinds.Distilled):
        def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
            seen.append((self.teacher(batch.inputs).logits, batch))
            return super().losses(batch, progress, player)

    model = normed(1)
    run(tmp_path / "run", model, [stage(partial(Watched, run=str(tmp_path / "teacher")), 2)])
    assert seen
    for logits, batch in seen:
        assert torch.equal(logits, wanted(batch.inputs).logits)
    for key, value in model.networks["teacher"].state_dict().items():
        assert torch.equal(value, wanted.state_dict()[key]), key


def test_a_run_goes_on_without_the_folder_of_its_teacher(tmp_path: Path) -> None:
    teacher(tmp_path / "teacher")
    method = partial(kinds.Distilled, run=str(tmp_path / "teacher"))
    run(tmp_path / "run", normed(1), [stage(method), stage(Supervised, name="two")])
    wanted = tensors(tmp_path / "run" / "last.safetensors")
    shutil.rmtree(tmp_path / "teacher")
    run(tmp_path / "run", normed(1), [stage(method), stage(Supervised, name="two")], resume=True)
    assert tensors(tmp_path / "run" / "last.safetensors") == wanted
    with pytest.raises(InputError, match=r"teacher: no such checkpoint"):
        run(tmp_path / "new", normed(1), [stage(Supervised), stage(method, name="two")])
    assert not (tmp_path / "new" / "curve.jsonl").exists()


def test_a_teacher_of_another_run_takes_the_place_of_one_of_that_name(tmp_path: Path) -> None:
    teacher(tmp_path / "one")
    other = teacher(tmp_path / "two", seed=5, width=16)
    model = normed(1)
    model.networks.copy("teacher")  # such as the running mean of an earlier stage
    first = add_teacher(model, "teacher", tmp_path / "one")
    assert add_teacher(model, "teacher", tmp_path / "one") is first
    second = add_teacher(model, "teacher", tmp_path / "two")
    assert torch.equal(second.head.weight, other.head.weight)  # type: ignore[union-attr,arg-type]
    model.networks.make("other")
    with pytest.raises(InputError, match=r"network 'other': an earlier stage made .*; give it another name"):
        model.networks.make("other", model.networks.specs["teacher"])


def test_a_stage_may_use_what_an_earlier_one_makes(tmp_path: Path) -> None:
    class Second(Method):
        deployed = "other"

        def __init__(self, model: Model) -> None:
            super().__init__(model)
            self.network = model.networks["other"]

        def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
            return {"scores": self.predict(batch).logits.square().mean()}

    model = normed()
    run(tmp_path / "run", model, [stage(kinds.CoTraining), stage(Second, name="two")])
    assert model.network is model.networks["other"]
    with pytest.raises(InputError, match="network 'other': the run has main"):
        run(tmp_path / "alone", normed(), [stage(Second)])


def test_a_network_of_a_class_of_its_own_is_made_again_by_its_method(tmp_path: Path) -> None:
    class Two(Supervised):
        def __init__(self, model: Model) -> None:
            super().__init__(model)
            spec = NetworkSpec("own", {"in_channels": 4, "n_classes": 3}, kinds.Points)
            self.other = model.networks.make("other", spec)

        def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
            return {**super().losses(batch, progress), "other": self.other(batch.inputs).logits.square().mean()}

    run(tmp_path, normed(), [stage(Two)])
    wanted = tensors(tmp_path / "resume.safetensors", "state")
    model = normed()
    run(tmp_path, model, [stage(Two)], resume=True)
    for key, value in model.networks["other"].state_dict().items():
        assert value.numpy().tobytes() == wanted[f"networks.other.{key}"]
    with pytest.raises(InputError, match=r"network 'other' is own, .* this stage does not make it"):
        run(tmp_path, normed(), [stage(Supervised)], resume=True)


def test_a_network_that_is_deployed_must_be_there(tmp_path: Path) -> None:
    class Lost(Supervised):
        deployed = "mean"

    with pytest.raises(InputError, match=r"stages\.two: no network 'mean' to be deployed; there is main"):
        run(tmp_path / "run", normed(), [stage(Supervised), stage(Lost, name="two")])
    assert not (tmp_path / "run" / "curve.jsonl").exists()


def test_an_optimizer_of_no_player_is_refused(tmp_path: Path) -> None:
    optimizers = {**SGD, "critc": Optimizer(partial(torch.optim.SGD, lr=0.5))}
    with pytest.raises(InputError, match=r"stages\.one\.optimizers: no player 'critc'; it has main, critic"):
        run(tmp_path / "run", normed(), [stage(kinds.Adversarial, optimizers=optimizers)])


class HeadOnly(Supervised):
    """Freezes all but the classifier."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.network.body.requires_grad_(False)


def test_a_stage_that_freezes_changes_nothing_before_it_begins(tmp_path: Path) -> None:
    model, plain = normed(), normed()
    run(tmp_path / "plain", plain, [stage(Supervised)])
    run(tmp_path / "run", model, [stage(Supervised), stage(HeadOnly, name="two")])
    assert torch.equal(model.network.body[0].weight, plain.network.body[0].weight)  # type: ignore[index,union-attr]
    assert not torch.equal(model.network.head.weight, plain.network.head.weight)  # type: ignore[union-attr,arg-type]


def test_frozen_weights_stay_frozen_after_a_kill_and_with_more_classes(tmp_path: Path) -> None:
    """The second stage does not freeze: it finds the weights as the first left them."""

    class Killed(Exception):
        pass

    def dying(number: int) -> Batch:
        if number == 3:
            raise Killed
        return voxels(number)

    run(tmp_path / "whole", normed(), [stage(HeadOnly), stage(Supervised, name="two")])
    with pytest.raises(Killed):
        run(tmp_path / "killed", normed(), [stage(HeadOnly), stage(Supervised, name="two", make=dying)])
    model = normed()
    run(tmp_path / "killed", model, [stage(HeadOnly), stage(Supervised, name="two")], resume=True)
    for name, kind in (("last", "model"), ("resume", "state")):
        assert tensors(tmp_path / "killed" / f"{name}.safetensors", kind) == tensors(
            tmp_path / "whole" / f"{name}.safetensors", kind
        )
    model.extend(Classes((*NAMES.names, "d")))
    assert [p.requires_grad for p in model.network.parameters()] == [False] * 4 + [True] * 2


def test_classes_that_come_later_are_drawn_for_each_network_by_itself() -> None:
    model = normed()
    model.networks.make("other")
    model.extend(Classes((*NAMES.names, "d")))
    main, other = (model.networks[name].head.weight for name in ("main", "other"))
    assert not torch.equal(main[3], other[3])  # type: ignore[index,arg-type]


@pytest.mark.parametrize("lost", [False, True])
def test_a_stage_goes_on_with_the_label_file_it_began_with(tmp_path: Path, lost: bool) -> None:
    file = label_file(tmp_path, "two")

    def label(model: Model, folder: RunFolder, fabric: Any) -> None:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"labels")

    stages = [stage(Supervised), stage(Supervised, name="two", before=label)]
    run(tmp_path, normed(), stages)
    wanted = tensors(tmp_path / "last.safetensors")
    run(tmp_path, normed(), stages, resume=True)
    assert tensors(tmp_path / "last.safetensors") == wanted
    if lost:
        file.unlink()
    else:
        file.write_bytes(b"others")
    with pytest.raises(InputError, match=r"labels/two\.npz is not as this stage began with; put it back"):
        run(tmp_path, normed(), stages, resume=True)


def test_a_rate_for_a_module_that_is_not_there_is_refused() -> None:
    method: Any = Supervised(normed())
    assert [g.rate for g in groups(method.named_parameters(), {"network.head": 10.0})] == [1.0, 10.0]
    with pytest.raises(InputError, match=r"rates: no parameter is below 'network\.classifier'"):
        groups(method.named_parameters(), {"network.classifier": 10.0})
