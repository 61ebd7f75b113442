"""Checkpoints come back bit for bit, and anything that is not one is refused in one line."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch

from pcseg.engine.checkpoint import (
    Model,
    NetworkSpec,
    load_model,
    optimizer_tensors,
    read_tensors,
    restore_optimizer,
    save_model,
    write_tensors,
)
from pcseg.errors import InputError
from pcseg.labels import Classes

SPEC = NetworkSpec("MinkUNet", {"in_channels": 4, "n_classes": 3, "channels": (4, 4), "blocks": (1, 1)})
CLASSES = Classes(("floor", "wall", "chair"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))


def model(spec: NetworkSpec = SPEC) -> Model:
    torch.manual_seed(0)
    return Model(spec, spec.build(), CLASSES, 0.05, ("color", "height"), {"config": {"seed": 3}, "git": None})


def edited(path: Path, **changes: object) -> Path:
    """The checkpoint with some of its description replaced."""
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["pcseg"])
    target = path.with_name("edited.safetensors")
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file(tensors, target, {"pcseg": json.dumps({**header, **changes})})
    return target


@pytest.fixture
def checkpoint(tmp_path):
    save_model(tmp_path / "last.safetensors", model())
    return tmp_path / "last.safetensors"


def test_a_model_comes_back_whole(checkpoint):
    found, wanted = load_model(checkpoint), model()
    assert found.spec == NetworkSpec("MinkUNet", json.loads(json.dumps(SPEC.arguments)))
    assert (found.classes, found.voxel_size, found.features) == (CLASSES, 0.05, ("color", "height"))
    assert found.record == wanted.record
    for name, tensor in wanted.network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], tensor)
    assert not found.network.training


def test_a_run_folder_stands_for_its_last_weights(checkpoint):
    assert load_model(checkpoint.parent).record == load_model(checkpoint).record


def test_the_same_model_makes_the_same_file(checkpoint, tmp_path):
    save_model(tmp_path / "again.safetensors", model())
    assert (tmp_path / "again.safetensors").read_bytes() == checkpoint.read_bytes()


def test_nothing_but_the_weights_of_the_network_is_in_it(checkpoint):
    assert read_tensors(checkpoint, "model")[0].keys() == model().network.state_dict().keys()


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(checkpoint, keep):
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_model(checkpoint)


class Exploit:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("exploited"),))


def test_a_pickle_is_refused_and_never_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.pth").write_bytes(pickle.dumps(Exploit()))
    torch.save({"state_dict": {"weight": torch.zeros(2)}}, "other.ckpt")
    for name, told in {"model.pth": "tools/convert_checkpoint.py", "other.ckpt": "not a whole safetensors file"}.items():
        with pytest.raises(InputError, match=told):
            load_model(name)
    assert not Path("exploited").exists()


def test_a_header_that_claims_gigabytes_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_model(tmp_path / "x.safetensors")


def test_safetensors_of_another_program_are_refused(tmp_path):
    safetensors.torch.save_file({"weight": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="no description by pcseg"):
        load_model(tmp_path / "x.safetensors")


def test_another_format_or_kind_is_refused(checkpoint, tmp_path):
    with pytest.raises(InputError, match="checkpoint format 0, this version reads 1"):
        load_model(edited(checkpoint, format=0))
    write_tensors(tmp_path / "resume.safetensors", "state", {}, {})
    with pytest.raises(InputError, match="a 'state' file where a 'model' file is needed"):
        load_model(tmp_path / "resume.safetensors")


@pytest.mark.parametrize("name", ["eval", "BLOCKS", "torch", "os.system", "unet"])
def test_only_the_networks_of_the_library_can_be_named(checkpoint, name):
    with pytest.raises(InputError, match=f"network '{name}' is not one of: MinkUNet"):
        load_model(edited(checkpoint, network={"name": name, "arguments": {}}))


def test_arguments_the_network_does_not_take_are_named(checkpoint):
    with pytest.raises(InputError, match="widht"):
        load_model(edited(checkpoint, network={"name": "MinkUNet", "arguments": {**SPEC.arguments, "widht": 3}}))


def test_weights_that_do_not_fit_are_named(checkpoint):
    other = {**SPEC.arguments, "n_classes": 5}
    with pytest.raises(InputError, match=r"weight head.bias is \(3,\), the network has \(5,\)"):
        load_model(edited(checkpoint, network={"name": "MinkUNet", "arguments": other}))


def test_a_wrong_number_of_classes_is_refused(checkpoint):
    classes = {"names": ["floor", "wall"], "colors": [[1, 2, 3], [4, 5, 6]]}
    with pytest.raises(InputError, match="3 outputs but 2 class names"):
        load_model(edited(checkpoint, classes=classes))


@pytest.mark.parametrize("changes", [{"classes": None}, {"voxel_size": "wide"}, {"network": {"title": 3}}])
def test_a_damaged_description_is_refused(checkpoint, changes):
    with pytest.raises(InputError, match="its description is damaged"):
        load_model(edited(checkpoint, **changes))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.safetensors: no such checkpoint"):
        load_model(tmp_path / "nowhere.safetensors")


def test_a_full_disk_leaves_the_old_file(checkpoint, monkeypatch):
    before = checkpoint.read_bytes()

    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as stream:
            stream.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        save_model(checkpoint, model())
    assert checkpoint.read_bytes() == before
    assert [p.name for p in checkpoint.parent.iterdir()] == ["last.safetensors"]


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_an_optimiser_goes_on_where_it_was(kind):
    def stepped(parameter: torch.Tensor, optimizer: torch.optim.Optimizer, steps: int) -> torch.Tensor:
        for _ in range(steps):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            optimizer.step()
        return parameter.detach().clone()

    extra = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    one = torch.nn.Parameter(torch.arange(3.0))
    first = kind([one], lr=0.1, **extra)
    half = stepped(one, first, 3)
    tensors, rest = optimizer_tensors(first)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    two = torch.nn.Parameter(half)
    second = kind([two], lr=99.0, **extra)
    restore_optimizer(second, tensors, json.loads(json.dumps(rest)))
    assert torch.equal(stepped(two, second, 3), stepped(one, first, 3))
