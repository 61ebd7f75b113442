"""crf=true in evaluate and predict: noisy probabilities of points and of pixels become right; without, all stays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import pcseg.networks
from pcseg.elements import Elements, pixel_elements
from pcseg.formats import read_cloud
from pcseg.formats.masks import read_mask
from pcseg.model.checkpoint import save_model
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.scene import Scene, write_scene
from pcseg.sparse import SparseTensor
from tests.tools._runs import CLASSES, failed, tool_here


class Noisy(nn.Module):
    """Sees in the color of an element which class it is, and adds normal noise to its scores: 62 % are right."""

    strides = (1,)

    def __init__(self, n_classes: int, in_channels: int = 3, strength: float = 1.0) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.tensor(strength))

    def scores(self, color: Tensor) -> Tensor:
        """Return scores (E, 3) for colors (E, 3) in [0, 1]."""
        nearest = torch.cdist(color, torch.tensor(CLASSES.colors) / 255).argmin(dim=1)
        noise = torch.randn(len(color), 3, generator=torch.Generator().manual_seed(0))
        return noise + self.strength * nn.functional.one_hot(nearest, 3)

    def forward(
        self, inputs: Tensor | SparseTensor, position: Tensor | None = None, color: Tensor | None = None
    ) -> Elements:
        if isinstance(inputs, SparseTensor):
            assert position is not None
            return Elements(self.scores(inputs.feats + 0.5), inputs.feats, inputs.sample, position, color)
        (_, _, height, width) = inputs.shape
        logits = self.scores(inputs[0].flatten(1).T).T.reshape(1, 3, height, width)
        return pixel_elements(logits, inputs, (height, width), position, color)


def colors(truth: np.ndarray) -> np.ndarray:
    """Return colors (P, 3) uint8 that differ by class, with a little noise."""
    noise = np.random.default_rng(0).normal(0, 2, (len(truth), 3))
    return np.clip(CLASSES.palette()[truth] + noise, 0, 255).round().astype(np.uint8)


def cloud() -> Scene:
    """Three slabs of 1 m x 1 m, one a class, side by side, of 800 points each."""
    truth = np.repeat([0, 1, 2], 800)
    coord = np.random.default_rng(1).uniform(0, 1, (2400, 3)) * [1, 1, 0.02] + truth[:, None] * [1, 0, 0]
    return Scene(coord.astype(np.float32), {"color": colors(truth), "segment": truth}, "test/a", classes=CLASSES.names)


def picture() -> Scene:
    """Two discs on a ground of the third class, 32 x 40 pixels."""
    place = pixel_places(32, 40)
    truth = np.zeros(len(place), dtype=np.int64)
    truth[np.linalg.norm(place - [12, -16, 0], axis=1) < 9] = 1
    truth[np.linalg.norm(place - [30, -15, 0], axis=1) < 7] = 2
    return Scene(place, {"color": colors(truth), "segment": truth}, "test/a", classes=CLASSES.names, size=(32, 40))


KINDS = {
    "points": (cloud, VoxelInputs(0.02, ("color",))),
    "pixels": (picture, ImageInputs((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))),
}


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Scene]:
    """A folder with a checkpoint of Noisy and a scene, prepared and as a file scan.npy or scan.png; and the scene."""
    monkeypatch.setattr(pcseg.networks, "Noisy", Noisy, raising=False)
    monkeypatch.setattr(pcseg.networks, "__all__", [*pcseg.networks.__all__, "Noisy"])
    make, inputs = KINDS[request.param]
    scene = make()
    save_model(
        tmp_path / "net.safetensors",
        Model(Networks.build(NetworkSpec("Noisy", {"n_classes": 3, "in_channels": 3})), CLASSES, inputs),
    )
    write_scene(tmp_path / "scenes", scene)
    if scene.size is None:
        np.savetxt(tmp_path / "scan.xyz", np.column_stack([scene.coord, scene.color]), fmt="%.6g")
    else:
        Image.fromarray(scene.image).save(tmp_path / "scan.png")
    return tmp_path, scene


def evaluated(root: Path, *more: str) -> tuple[float, str]:
    """Return accuracy and protocol of tools/evaluate.py."""
    done = tool_here(
        "evaluate", f"checkpoint={root}/net.safetensors", f"data.root={root}/scenes", "data.test=[test]",
        f"output={root}/scored", "device=cpu", "threads=1", *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((root / "scored" / "metrics.json").read_text())
    counts = np.array(found["confusion"])
    return float(np.trace(counts) / counts.sum()), found["protocol"]


def labeled(root: Path, scene: Scene, *more: str) -> tuple[np.ndarray, bytes]:
    """Return the labels of tools/predict.py, and its file."""
    source, target = (
        (root / "scan.xyz", root / "out.ply") if scene.size is None else (root / "scan.png", root / "o.png")
    )
    done = tool_here(
        "predict", f"checkpoint={root}/net.safetensors", f"input={source}", f"output={target}", "device=cpu", *more
    )
    assert done.returncode == 0, done.stderr
    labels = read_cloud(target).fields["label"] if scene.size is None else read_mask(target)[0]
    return np.asarray(labels).reshape(-1), target.read_bytes()


def test_noisy_probabilities_become_right(made: tuple[Path, Scene]) -> None:
    root, scene = made
    (before, plain), (after, refined) = evaluated(root), evaluated(root, "crf=true")
    assert 0.5 < before < 0.7
    assert after > 0.95
    assert refined.startswith(plain + ", refined by a CRF of sigma alpha")
    labels, _ = labeled(root, scene, "crf=true")
    assert np.mean(labels == scene.segment) == pytest.approx(after, abs=0.01)  # text rounds coordinates


def test_without_it_nothing_changes(made: tuple[Path, Scene]) -> None:
    root, scene = made
    (labels, usual), (_, without), (_, refined) = (
        labeled(root, scene, *more) for more in ((), ("crf=false",), ("crf=true",))
    )
    assert 0.5 < np.mean(labels == scene.segment) < 0.7
    assert usual == without != refined


def test_a_scan_without_color_is_refused_in_one_line(tmp_path: Path) -> None:
    inputs = VoxelInputs(0.02, ("height",))
    spec = NetworkSpec("MinkUNet", {"in_channels": 1, "n_classes": 3, "channels": (8, 8), "blocks": (1, 1)})
    save_model(tmp_path / "net.safetensors", Model(Networks.build(spec), CLASSES, inputs))
    scene = cloud()
    gray = Scene(scene.coord, {"segment": scene.attributes["segment"]}, "test/gray", classes=CLASSES.names)
    write_scene(tmp_path / "scenes", gray)
    np.savetxt(tmp_path / "gray.xyz", gray.coord)
    words = ("gray", "has no color, which the crf compares; leave crf out")
    for tool, more in (
        ("predict", (f"input={tmp_path}/gray.xyz", f"output={tmp_path}/out.ply")),
        ("evaluate", (f"data.root={tmp_path}/scenes", "data.test=[test]", f"output={tmp_path}/scored")),
    ):
        run = (tool, f"checkpoint={tmp_path}/net.safetensors", "device=cpu", *more)
        failed(tool_here(*run, "crf=true"), *words)
        assert tool_here(*run).returncode == 0
