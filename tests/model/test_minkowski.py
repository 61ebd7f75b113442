"""MinkowskiEngine's weights in our network give the scores that its documentation defines."""

from __future__ import annotations

import argparse
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.model.minkowski import convert_minkowski, minkowski_name, read_minkowski
from pcseg.networks import minkunet14a, minkunet18a, minkunet34c
from pcseg.sparse import SparseTensor
from tests.oracles import minkowski
from tests.sparse.clouds import random_coords

PLANES = {
    "14a": (32, 64, 128, 256, 128, 128, 96, 96),
    "18a": (32, 64, 128, 256, 128, 128, 96, 96),
    "34c": (32, 64, 128, 256, 256, 128, 96, 96),
}
LAYERS = {"14a": (1,) * 8, "18a": (2,) * 8, "34c": (2, 3, 4, 6, 2, 2, 2, 2)}


def small_state(seed: int = 0, **options: Any) -> dict[str, Tensor]:
    planes, layers = (8, 10, 12, 14, 12, 10, 8, 7), (1, 2, 1, 1, 1, 1, 2, 1)
    return minkowski.random_state(np.random.default_rng(seed), 4, 5, planes, layers, init_dim=6, **options)


@pytest.mark.parametrize(
    "options", [{}, {"stem": 3}, {"bottleneck": True}], ids=["5x5x5 stem", "3x3x3 stem", "bottleneck"]
)
def test_the_scores_are_those_of_minkowski_engine(options: dict[str, Any]) -> None:
    state = small_state(**options)
    arguments, network = convert_minkowski(state)
    assert not network.training
    assert (arguments["in_channels"], arguments["n_classes"], arguments["stem_channels"]) == (4, 5, 6)
    coords = random_coords(1, 400, -9, 14, n_samples=1)
    feats = torch.randn(len(coords), 4, dtype=torch.float64)
    expected = minkowski.minkunet({k: v.double() for k, v in state.items()}, coords[:, 1:], feats)
    logits = network.double()(SparseTensor(feats, coords)).logits
    torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize("name", ["14a", "18a", "34c"])
def test_each_of_the_family_is_recognized(name: str) -> None:
    make = {"14a": minkunet14a, "18a": minkunet18a, "34c": minkunet34c}[name]
    with torch.device("meta"):
        ours = {k: v.shape for k, v in make(3, 20).state_dict().items()}
    state = minkowski.random_state(np.random.default_rng(0), 3, 20, PLANES[name], LAYERS[name])
    _, network = convert_minkowski(state)
    assert {k: v.shape for k, v in network.state_dict().items()} == ours
    assert {minkowski_name(k, 4, "basic") for k in ours} == set(state), "a one-to-one map of names"


def test_files_however_wrapped(tmp_path: Path) -> None:
    state, path = small_state(), tmp_path / "x.pth"
    prefixed = {f"module.model.{name}": value for name, value in state.items()}
    old = {name: v[None] if name.endswith("kernel") and v.dim() == 2 else v for name, v in state.items()}
    for content in (
        state,
        {"state_dict": prefixed, "epoch": 3, "best": np.float64(0.5), "optimizer": {"lr": 0.1}},
        {"model": prefixed},
        old,
    ):
        torch.save(content, path)
        _, network = convert_minkowski(read_minkowski(path), str(path))
        assert torch.equal(network.stem.conv.weight, state["conv0p1s1.kernel"])
        assert torch.equal(network.head.weight, state["final.kernel"].T)


def altered(name: str, value: Tensor | None) -> dict[str, Tensor]:
    state = small_state()
    if value is None:
        del state[name]
    else:
        state[name] = value
    return state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (altered("block3.0.conv1.kernel", None), "weight block3.0.conv1.kernel is absent"),
        (altered("block3.0.conv1.kernel", torch.zeros(27, 10, 0)), "weight block3.0.conv1.kernel is absent or empty"),
        (altered("final.kernel", torch.zeros(8, 0)), "weight final.kernel is absent or empty"),
        (altered("bn2.bn.running_var", None), "weight bn2.bn.running_var is absent"),
        (altered("final.bias", torch.zeros(1, 6)), r"final.bias is \(1, 6\)"),
        (altered("convtr5p8s2.kernel", torch.zeros(27, 12, 10)), r"convtr5p8s2.kernel is \(27, 12, 10\)"),
        (altered("block2.0.conv1.kernel", torch.zeros(15, 8, 10)), r"block2.0.conv1.kernel is \(15, 8, 10\)"),
        (altered("block1.0.downsample.0.kernel", torch.zeros(8, 6)), r"downsample.0.kernel is \(8, 6\)"),
        (altered("conv0p1s1.kernel", torch.zeros(81, 4, 6)), "not a cubic 3D MinkUNet"),
        (altered("extra.kernel", torch.zeros(3)), "extra.kernel has no place"),
        (altered("conv0p1s1.kernel", None), "0 weights called conv0p1s1.kernel"),
    ],
)
def test_each_name_and_shape_is_verified(state: dict[str, Tensor], message: str, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(InputError, match=message) as error:
        convert_minkowski(read_minkowski(tmp_path / "x.pth"), str(tmp_path / "x.pth"))
    assert "x.pth" in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    torch.save({"state_dict": small_state(), "config": argparse.Namespace(a=1)}, tmp_path / "objects.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({f"a.{k}": v for k, v in small_state().items()} | {"b.weight": torch.zeros(1)}, tmp_path / "more.pth")
    torch.save(small_state(), tmp_path / "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:5000])
    (tmp_path / "empty.pth").write_bytes(b"")
    for name, message in (
        ("absent.pth", "no such file"),
        ("objects.pth", "not a file of plain tensors"),
        ("cut.pth", "not a file of plain tensors"),
        ("empty.pth", "not a file of plain tensors"),
        ("list.pth", "holds a list"),
        ("more.pth", "b.weight is not part of the network 'a.'"),
    ):
        with pytest.raises(InputError, match=message) as error:
            read_minkowski(tmp_path / name)
        assert name in str(error.value)
        assert "\n" not in str(error.value)


def refused(path: Path) -> str:
    """The message with which a file is refused: one printable line that names it, of bounded length."""
    with pytest.raises(InputError) as caught:
        convert_minkowski(read_minkowski(path), str(path))
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("conv0p1s1.kernel", torch.zeros(1).expand(125, 10**6, 10**6), "larger than the file"),
        ("conv0p1s1.kernel", torch.tensor(3.0), "no kernel"),
        ("final.kernel", torch.tensor(3.0), "no kernel"),
        ("final.kernel", torch.zeros(2, 2, 2, 2), "no kernel"),
        ("block1.0.conv1.kernel", torch.tensor(3.0), "no kernel"),
        ("block1.0.conv1.kernel", torch.zeros(1, 1, 1000), "does not fit"),
        ("conv0p1s1.kernel", torch.zeros(27, 4, 6).to_sparse(), "no plain tensor"),
        ("conv0p1s1.kernel", [1, 2], "no plain tensor"),
        ("epoch", 3, "no plain tensor"),
        ("bn0.bn.running_mean", torch.full((6,), float("nan")), "holds NaN"),
        ("bn0.bn.running_var", torch.full((6,), float("inf")), "holds NaN"),
        ("final.bias", torch.zeros(5, dtype=torch.complex64), "complex"),
        ("x" * 10**4, torch.zeros(1), "has no place"),
        ("x\n\x1b[2J", torch.zeros(1), "has no place"),
    ],
)
def test_weights_that_no_network_has_are_refused(tmp_path: Path, name: str, value: object, told: str) -> None:
    torch.save({**small_state(), name: value}, tmp_path / "x.pth")
    assert told in refused(tmp_path / "x.pth")


def test_tables_within_themselves_are_refused(tmp_path: Path) -> None:
    endless: dict[str, object] = {"conv0p1s1.kernel": 1}
    endless["state"] = endless
    torch.save(endless, tmp_path / "x.pth")
    assert "more than 10 tables within tables" in refused(tmp_path / "x.pth")


def test_packed_and_overlapping_archives_are_not_unpacked(tmp_path: Path) -> None:
    torch.save(small_state(), tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth") as plain:
        parts = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
        packed.writestr("bomb", bytes(2**24))
    assert "not a file of plain tensors (ValueError)" in refused(tmp_path / "packed.pth")


def test_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    torch.save(small_state(), tmp_path / "whole.pth")
    torch.save(small_state(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    draw = random.Random(6)
    for i in range(40):
        raw = bytearray((tmp_path / ("old.pth" if i % 2 else "whole.pth")).read_bytes())
        pickled = raw.find(b"data.pkl")
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(raw)) if i % 4 else max(pickled, 0) + draw.randrange(4000)
            raw[at : at + 1] = draw.choice([b"", b"\xff", bytes([raw[at] ^ (1 << draw.randrange(8))]), b"....", b"R"])
        path = tmp_path / "x.pth"
        path.write_bytes(bytes(raw))
        try:
            convert_minkowski(read_minkowski(path), str(path))
        except InputError:
            refused(path)
