"""Frozen networks on pictures: sizes, colors, a stand-in for onnxruntime, the bytes that add an output to a file."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from pcseg.errors import InputError
from pcseg.pseudo import picture_features
from pcseg.pseudo.picture_features import OnnxFeatures, VitFeatures, fitting, open_features, prepared, token_grid
from tests.pseudo.test_vit import PATCH, WIDTH, small


def test_a_vit_sees_the_whole_picture(tmp_path: Path) -> None:
    safetensors.torch.save_file(small().state_dict(), tmp_path / "vit.safetensors")
    features = open_features(tmp_path / "vit.safetensors", 32)
    color = np.random.default_rng(0).integers(0, 256, (48, 96, 3)).astype(np.uint8)
    found = features(color)
    assert found.shape == (32 // PATCH, 64 // PATCH, WIDTH)
    assert found.dtype == np.float32
    with torch.no_grad():
        wanted = small()(torch.from_numpy(prepared(color, (32, 64))))[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="side=3: is below the patches of 4 pixels"):
        VitFeatures(tmp_path / "vit.safetensors", 3)
    with pytest.raises(InputError, match=r"layer=x: is for \.onnx files"):
        open_features(tmp_path / "vit.safetensors", 32, "x")


def test_colors_and_sizes_are_those_of_imagenet() -> None:
    color = np.full((10, 20, 3), 255, np.uint8)
    color[:, :, 1] = 0
    found = prepared(color, (4, 8))
    assert found.shape == (1, 3, 4, 8)
    np.testing.assert_allclose(found[0, :, 0, 0], [0.515 / 0.229, -0.456 / 0.224, 0.594 / 0.225], rtol=1e-5)
    assert fitting((240, 320), 224, 14) == (224, 294)
    assert fitting((320, 240), 224, 14) == (294, 224)
    assert fitting((10, 10), 4, 16) == (16, 16)


def test_the_grid_of_tokens() -> None:
    assert token_grid((224, 224), 257) == (16, 16)
    assert token_grid((224, 224), 196 + 1) == (14, 14)
    assert token_grid((224, 294), 16 * 21 + 5) == (16, 21)
    assert token_grid((224, 224), 1000) is None


def test_the_bytes_that_make_a_tensor_an_output() -> None:
    """By the encoding of protocol buffers: field << 3 | 2, length, content."""
    assert picture_features._output("ab") == b"\x3a\x06" + b"\x62\x04" + b"\x0a\x02ab"
    long = picture_features._output("x" * 200)
    assert long == b"\x3a\xce\x01" + b"\x62\xcb\x01" + b"\x0a\xc8\x01" + b"x" * 200


class Session:
    """Stands in for onnxruntime.InferenceSession: of tokens, whose channels are the mean colors of patches."""

    shape: Any = ("batch", 3, 56, 56)

    def __init__(self, model: bytes, options: Any, providers: list[str]) -> None:
        if not model.startswith(b"onnx"):
            raise ValueError("no protobuf")
        self.layer = model[len(b"onnx") :].rpartition(b"\n\x05")[2].decode()

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="picture", shape=self.shape)]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="scores")]

    def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
        image = given["picture"]
        if names == ["scores"]:
            return [np.zeros((1, 10), np.float32)]
        assert names == [self.layer] == ["layer"]
        height, width = (side // 14 for side in image.shape[2:])
        means = image[0].reshape(3, height, 14, width, 14).mean(axis=(2, 4))
        return [np.concatenate([np.zeros((1, 3)), means.reshape(3, -1).T])[None].astype(np.float32)]


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    module = SimpleNamespace(InferenceSession=Session, SessionOptions=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    return tmp_path / "net.onnx"


def test_tokens_of_an_onnx_file(stub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    color = np.zeros((112, 168, 3), np.uint8)
    color[:56, :, 0] = 255
    found = open_features(stub, 112, "layer")(color)
    assert found.shape == (4, 4, 3)
    assert found[0, 0, 0] == pytest.approx(0.515 / 0.229, rel=1e-3)
    assert found[3, 3, 0] == pytest.approx(-0.485 / 0.229, rel=1e-3)
    monkeypatch.setattr(Session, "shape", ("batch", 3, "height", "width"))
    assert open_features(stub, 112, "layer")(color).shape == (8, 12, 3)
    with pytest.raises(InputError, match=r"scores is \(1, 10\); choose a layer"):
        open_features(stub, 112)(color)


def test_onnx_files_that_cannot_be_run(stub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no such file"):
        OnnxFeatures(stub.with_name("none.onnx"), 224)
    stub.write_bytes(b"text")
    with pytest.raises(InputError, match=r"no model that onnxruntime runs, or has no tensor layer \(no protobuf\)"):
        OnnxFeatures(stub, 224, "layer")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"needs onnxruntime; pip install pcseg\[features\]"):
        OnnxFeatures(stub, 224)
