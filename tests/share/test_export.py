"""Exported graphs give the scores of the network, for scans of any size; what cannot be exported is told in a line."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pcseg
from pcseg.classes import Classes
from pcseg.elements import pixel_elements
from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.networks import MinkUNet
from pcseg.share import export as module
from pcseg.share.export import TOLERANCE, export
from pcseg.share.kernel_tables import features, tables, voxelize
from pcseg.share.table_network import TableNetwork
from pcseg.sparse import SparseTensor
from tests.tools._runs import checkpoint, failed, room, tool_here

ABSENT = next((name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None), "")
needs_onnx = pytest.mark.skipif(bool(ABSENT), reason=f"{ABSENT} is not installed")
FORMATS = [pytest.param("onnx", marks=needs_onnx), "pt2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a network whose batch norms have statistics of their own."""
    path = checkpoint(tmp_path_factory.mktemp("run") / "last.safetensors")
    model = load_model(path)
    torch.manual_seed(1)
    for layer in model.network.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_mean.normal_(std=0.1)  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    save_model(path, model)
    return path


def runner(path: Path) -> Any:
    """Return the function that runs a graph, with what its users have."""
    if path.suffix == ".pt2":
        program = torch.export.load(path).module()
        return lambda inputs: program(*(torch.from_numpy(v) for v in inputs.values())).detach().numpy()
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return lambda inputs: session.run(None, inputs)[0]


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_tables_in_place_of_kernel_maps_give_the_same_scores(block: str, norm: str) -> None:
    torch.manual_seed(0)
    network = MinkUNet(3, 4, (4, 8, 8, 4), (1, 2, 1, 1), norm, block, stem_channels=4).eval()
    rng = np.random.default_rng(0)
    coords = rng.permutation(
        np.unique(np.column_stack([rng.integers(0, 2, 300), rng.integers(-9, 9, (300, 3))]), axis=0)
    )
    coords, feats = coords.astype(np.int32), torch.randn(len(coords), 3)
    found = TableNetwork(network)
    given = tables(coords, [{"name": t.name, **vars(t)} for t in found.tables])
    with torch.no_grad():
        wanted = network(SparseTensor(feats, torch.from_numpy(coords))).logits
        scores = found(feats, *(torch.from_numpy(table) for table in given.values()))
    assert (scores - wanted).abs().max() < 1e-5 * wanted.abs().max()


@pytest.mark.parametrize("kind", FORMATS)
def test_labels_of_scans_of_any_size(run: Path, tmp_path: Path, kind: str) -> None:
    """By the lines that kernel_tables.py begins with; they are those of the predictor."""
    files, difference = export(load_model(run), tmp_path / f"model.{kind}")
    assert [path.name for path in files] == [f"model.{kind}", "model.json", "kernel_tables.py"]
    assert difference < 1e-5 < TOLERANCE
    about = json.loads(files[1].read_text())
    assert about["classes"] == ["floor", "wall", "chair"]
    graph, predictor = runner(files[0]), pcseg.load(run)
    for rows in (slice(None), slice(150, 450), slice(0, 600, 150)):
        scene = room("Area_1/a", 5)[rows]
        xyz = scene.coord + np.array([300.0, -20.0, 7.0])
        coords, first, inverse = voxelize(xyz, about["voxel_size"])
        inputs = {"feats": features(about["features"], xyz, scene.color)[first], **tables(coords, about["tables"])}
        labels = graph(inputs).argmax(axis=1)[inverse]
        assert (labels == predictor.predict(xyz, scene.color)[0]).mean() > 0.99


def test_what_cannot_be_exported(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"give a name that ends in \.onnx or \.pt2"):
        export(load_model(run), tmp_path / "model.tflite")
    spec = NetworkSpec("MinkUNetOCR", {"in_channels": 4, "n_classes": 3})
    model = load_model(run)
    with pytest.raises(InputError, match="network MinkUNetOCR: cannot be exported; of point networks only MinkUNet"):
        export(Model(Networks(spec.build(), spec), model.classes, model.inputs), tmp_path / "model.pt2")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"ONNX needs the package onnx; pip install 'pcseg\[onnx\]'"):
        export(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_graph_of_other_scores_is_not_written(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_runner", lambda *_: lambda **inputs: np.zeros((len(inputs["feats"]), 3), np.float32))
    with pytest.raises(InputError, match="its scores differ by"):
        export(load_model(run), tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []


class _Small(torch.nn.Module):
    """Stands for a network of pictures: scores at half the resolution, resized."""

    def __init__(self, in_channels: int, n_classes: int) -> None:
        super().__init__()
        self.body = torch.nn.Conv2d(in_channels, 4, 3, 2, 1)
        self.head = torch.nn.Conv2d(4, n_classes, 1)

    def forward(self, inputs: torch.Tensor) -> Any:
        feats = torch.relu(self.body(inputs))
        return pixel_elements(self.head(feats), feats, (inputs.shape[2], inputs.shape[3]))


@pytest.mark.parametrize("kind", FORMATS)
def test_pictures_of_any_size(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    spec = NetworkSpec("small", {"in_channels": 3, "n_classes": 5}, _Small)
    inputs = ImageInputs()
    model = Model(Networks(spec.build(), spec), Classes(tuple("abcde")), inputs)
    files, difference = export(model, tmp_path / f"pictures.{kind}")
    assert [path.name for path in files] == [f"pictures.{kind}", "pictures.json"]
    assert difference < 1e-5
    graph = runner(files[0])
    for size in ((1, 3, 40, 30), (1, 3, 31, 77)):
        image = np.random.default_rng(0).random(size, dtype=np.float32)
        colors = (image - np.float32(inputs.mean)[:, None, None]) / np.float32(inputs.std)[:, None, None]
        with torch.no_grad():
            wanted = model.network(torch.from_numpy(colors)).logits.T.reshape(1, 5, *size[2:])
        assert np.abs(graph({"image": image}) - wanted.numpy()).max() < 1e-5


def test_the_tool(run: Path, tmp_path: Path) -> None:
    done = tool_here("export", f"checkpoint={run}", f"output={tmp_path / 'a' / 'model.pt2'}")
    assert done.returncode == 0, done.stderr
    assert "kernel_tables.py" in done.stdout
    assert "its scores differ from the network's by" in done.stdout
    failed(tool_here("export", f"checkpoint={run}", f"output={tmp_path / 'model.xyz'}"), "ends in .onnx or .pt2")
