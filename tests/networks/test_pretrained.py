"""Weights of a backbone from a file: what published files look like is read, anything else refused in one line."""

from __future__ import annotations

import os

import pytest
import safetensors.torch
import torch

from pcseg.errors import InputError
from pcseg.networks import DeepLab
from pcseg.networks.efficientnet_lite import EfficientNetLite0
from pcseg.networks.encoder import Encoder
from pcseg.networks.pretrained import load_pretrained
from pcseg.networks.resnet import ResNet


def weights(encoder: Encoder) -> dict[str, torch.Tensor]:
    """Random ones, statistics included, and those of the classifier that published files hold."""
    state = {name: torch.rand_like(v.float()).to(v.dtype) for name, v in encoder.state_dict().items()}
    if isinstance(encoder, ResNet):
        return {**state, "fc.weight": torch.rand(10, 512), "fc.bias": torch.rand(10)}
    return {
        **state,
        "_conv_head.weight": torch.rand(8, 320, 1, 1),
        "_bn1.weight": torch.rand(8),
        "_fc.bias": state["_bn0.bias"].clone(),
    }


@pytest.fixture(scope="module", params=[EfficientNetLite0, lambda: ResNet(18)], ids=["lite", "resnet"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    torch.manual_seed(0)
    return request.param()


@pytest.mark.parametrize("suffix", ["pth", "PT", "safetensors"])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone."])
def test_published_files_are_read(encoder, tmp_path, suffix, prefix):
    state = weights(encoder)
    named = {prefix + name: value for name, value in state.items()}
    if "backbone." in prefix:
        named[prefix.replace("backbone.", "classifier.") + "0.weight"] = torch.rand(3)
    elif not prefix:
        named["classifier.weight"] = torch.rand(3)
    path = tmp_path / f"weights.{suffix}"
    if suffix == "safetensors":
        safetensors.torch.save_file(named, path)
    else:
        torch.save(named, path)
    load_pretrained(encoder, path)
    assert all(torch.equal(value, state[name]) for name, value in encoder.state_dict().items())


def test_old_files_without_counters_are_read(encoder, tmp_path):
    state = {name: value for name, value in weights(encoder).items() if "num_batches" not in name}
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    load_pretrained(encoder, tmp_path / "old.pth")
    assert all(torch.equal(encoder.state_dict()[name], state[name]) for name, _ in encoder.named_parameters())


class Code:
    """Unpickled, it would make a folder."""

    def __reduce__(self):
        return os.mkdir, ("made_by_a_pickle",)


def changed(state, name, value):
    """``state`` with another value, or without it where that is None."""
    return {**{k: v for k, v in state.items() if k != name}, **({} if value is None else {name: value})}


def test_what_does_not_fit_is_named_and_changes_nothing(encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state, before = weights(encoder), {name: value.clone() for name, value in encoder.state_dict().items()}
    name = next(name for name in state if name.endswith(("0.bn1.bias", "3._bn1.bias")))
    kind = type(encoder).__name__
    for found, message in (
        (changed(state, name, None), f"has no {name} .it begins with .*give the weights of the {kind}"),
        (changed(state, name, torch.rand(7)), f"{name} is .7,., that of the {kind} here"),
        (changed(state, name, state[name] * float("nan")), f"{name} is not finite; the file is damaged"),
        (changed(state, "extra.weight", torch.rand(2)), f"holds extra.weight, which the {kind} here has not"),
        (changed(state, name, 3.0), f"{name} is a float, not a tensor by name"),
        ({"state_dict": state, "epoch": 3}, "state_dict is a dict, not a tensor by name; save the state_dict"),
        ({**state, 7: state[name]}, "7 is a Tensor, not a tensor by name"),
        ([state[name]], "holds a list, not tensors by name"),
        (torch.rand(3), "holds a Tensor, not tensors by name"),
        ({}, "has no .*it begins with nothing"),
        (changed(state, name, Code()), "not a whole file of weights alone"),
    ):
        torch.save(found, tmp_path / "weights.pth")
        with pytest.raises(InputError, match=message) as error:
            load_pretrained(encoder, tmp_path / "weights.pth")
        assert str(tmp_path / "weights.pth") in str(error.value)
        assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert not (tmp_path / "made_by_a_pickle").exists()


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_damaged_files_are_refused(tmp_path, suffix, share):
    encoder, path = EfficientNetLite0(), tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save(encoder.state_dict(), path)
    else:
        safetensors.torch.save_file(encoder.state_dict(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"not a whole file of weights alone .*get it again"):
        load_pretrained(encoder, path)


def test_other_files_are_refused(tmp_path):
    encoder = EfficientNetLite0()
    (tmp_path / "weights.bin").write_bytes(b"")
    for name, message in (("none.pth", "no such file"), ("weights.bin", "read from .pth, .pt and .safetensors")):
        with pytest.raises(InputError, match=message):
            load_pretrained(encoder, tmp_path / name)


def test_a_network_loads_its_backbone_alone(tmp_path):
    network, encoder = DeepLab(3, 4, width=8), EfficientNetLite0()
    torch.save(encoder.state_dict(), tmp_path / "weights.pth")
    before = {name: value.clone() for name, value in network.state_dict().items() if not name.startswith("encoder.")}
    network.load_backbone(tmp_path / "weights.pth")
    state = network.state_dict()
    assert all(torch.equal(state[f"encoder.{name}"], value) for name, value in encoder.state_dict().items())
    assert all(torch.equal(state[name], value) for name, value in before.items())
    with pytest.raises(InputError, match=r"_conv_stem.weight is \(32, 3, 3, 3\), that of .* \(32, 4, 3, 3\)"):
        DeepLab(4, 4, width=8).load_backbone(tmp_path / "weights.pth")
