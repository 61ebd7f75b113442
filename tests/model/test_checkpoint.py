"""Checkpoints come back bit for bit, and anything that is not one is refused in one line."""

from __future__ import annotations

import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.networks import NetworkSpec
from pcseg.model.tensor_file import read_tensors, write_tensors
from tests.model.checkpoints import CLASSES, SPEC, edited, model


def test_a_model_comes_back_whole(checkpoint):
    found, wanted = load_model(checkpoint), model()
    assert found.spec == NetworkSpec("MinkUNet", json.loads(json.dumps(SPEC.arguments)))
    assert (found.classes, found.inputs) == (CLASSES, VoxelInputs(0.05, ("color", "height")))
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
    for name, told in {
        "model.pth": "tools/convert_checkpoint.py",
        "other.ckpt": "not a whole safetensors file",
    }.items():
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
    with pytest.raises(
        InputError, match=r"checkpoint format 0, this version reads 1 and 2; use the pcseg that wrote it"
    ):
        load_model(edited(checkpoint, format=0))
    write_tensors(tmp_path / "resume.safetensors", "state", {}, {})
    with pytest.raises(InputError, match="a 'state' file where a 'model' file is needed"):
        load_model(tmp_path / "resume.safetensors")


def test_a_checkpoint_of_format_1_is_read(checkpoint):
    """As pcseg 0.1 wrote them: the fields of the inputs stand beside the others."""
    with safetensors.safe_open(checkpoint, framework="pt") as file:
        header = json.loads(file.metadata()["pcseg"])
    header |= {"format": 1, **header.pop("inputs")}
    tensors = safetensors.torch.load_file(checkpoint)
    safetensors.torch.save_file(tensors, checkpoint, {"pcseg": json.dumps(header)})
    found = load_model(checkpoint)
    assert found.inputs == VoxelInputs(0.05, ("color", "height"))
    assert all(torch.equal(value, model().network.state_dict()[name]) for name, value in tensors.items())


@pytest.mark.parametrize("name", ["eval", "BLOCKS", "torch", "os.system", "unet"])
def test_only_the_networks_of_the_library_can_be_named(checkpoint, name):
    with pytest.raises(InputError, match=f"network '{name}' is not one of: .*MinkUNet"):
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


def test_codes_are_kept_and_may_be_absent(checkpoint, tmp_path):
    assert load_model(checkpoint).classes.codes == ()
    numbered = Classes(CLASSES.names, CLASSES.colors, ((2, 9), (0,), (255,)))
    save_model(tmp_path / "coded.safetensors", replace(model(), classes=numbered))
    assert load_model(tmp_path / "coded.safetensors").classes == numbered
    without = {"names": list(CLASSES.names), "colors": [list(color) for color in CLASSES.colors]}
    assert load_model(edited(checkpoint, classes=without)).classes == CLASSES


def test_what_the_disk_does_not_give_back_does_not_replace_a_file(checkpoint, monkeypatch):
    before, write = checkpoint.read_bytes(), Path.write_bytes
    for change in (lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: data + b"\0"):
        monkeypatch.setattr(Path, "write_bytes", lambda self, data, change=change: write(self, change(data)))
        with pytest.raises(InputError, match=r"could not be read back .*the disk gives back other bytes"):
            save_model(checkpoint, replace(model(), record={"step": 9}))
    assert checkpoint.read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir()] == ["last.safetensors"]


def test_voxel_sizes_out_of_range_are_told():
    for size in (0, -1, 1e-9, 1e9, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"voxel_size=.*: must be 0\.0001 to 1000, in meters"):
            VoxelInputs(size, ("color",))
