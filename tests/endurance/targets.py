"""What the fuzzer tries: for each kind of file, the damaged file's name and the code of the library that reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from pcseg.budgets.clicks import read_clicks
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.datasets.class_file import read_class_file
from pcseg.engine.predict import Predictor
from pcseg.files import read_json
from pcseg.formats import read_cloud
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.scenes.scene import read_classes, read_scene, scene_classes
from tests.endurance import seeds


@dataclass(frozen=True)
class Target:
    """``file`` is damaged and put back below the worker's folder; ``read`` is then called with its path."""

    kind: str
    file: Path
    read: Callable[[Path], object]


def make(folder: Path) -> list[Target]:
    """Write the seeds into ``folder`` and say how each is read."""
    points = folder / "points"
    points.mkdir(parents=True)
    seeds.clouds(points)
    found = [Target(f"cloud {p.suffix}", p, _cloud) for p in sorted(points.iterdir())]
    seeds.scene(folder / "scenes")
    scene = sorted(p for p in (folder / "scenes").rglob("*") if p.is_file())
    found += [Target(f"scene {p.name}", p, _scene) for p in scene]
    texts = {"classes.yaml": (seeds.CLASSES, read_class_file), "clicks.csv": (seeds.CLICKS, read_clicks)}
    for name, (text, read) in texts.items():
        (folder / name).write_text(text)
        found.append(Target(name, folder / name, read))
    (folder / "any.json").write_text(json.dumps({"a": [1, 2.5, None, {"b": "c"}], "d": True}))
    found.append(Target("json", folder / "any.json", read_json))
    _labels(folder / "labels.npz")
    found.append(Target("labels .npz", folder / "labels.npz", WeakLabels.load))
    _checkpoint(folder / "model.safetensors")
    found.append(Target("checkpoint", folder / "model.safetensors", _predict))
    return found


def _cloud(path: Path) -> object:
    # of a sidecar the cloud beside it is read
    beside = {".labels": ".txt", ".label": ".bin"}.get(path.suffix)
    cloud = read_cloud(path.with_suffix(beside) if beside else path)
    assert cloud.coord.shape == (len(cloud), 3)
    assert cloud.coord.dtype == np.float64
    for values in (cloud.color, cloud.normal, *cloud.fields.values()):
        assert values is None or len(values) == len(cloud)
    return len(cloud)


def _scene(path: Path) -> object:
    root = next(p for p in path.parents if p.name == "scenes")
    folder = root / "train" / "a"
    classes = scene_classes(folder)
    read_classes(root)
    return len(read_scene(folder, classes, with_labels=True))


def _labels(path: Path) -> None:
    scene = SceneLabels("train/a", 60, "0" * 64, np.array([1, 5, 9]), np.array([0, 1, 2], dtype=np.int16))
    WeakLabels(("ground", "wall", "tree"), "points", {"points": 3}, 0, (scene,)).save(path)


def _checkpoint(path: Path) -> None:
    torch.manual_seed(0)
    spec = NetworkSpec(
        "MinkUNet",
        {
            "in_channels": 3,
            "n_classes": 3,
            "channels": [4] * 4,
            "blocks": [1] * 4,
            "stem_channels": 4,
            "stem_kernel": 3,
        },
    )
    record = {"config": {"data": {"root": "data", "train": ["train"], "test": ["test"]}}}
    classes, inputs = Classes(("ground", "wall", "tree")), VoxelInputs(0.1, ("color",))
    save_model(path, Model(Networks(spec.build(), spec), classes, inputs, record))
    assert safetensors.torch.load_file(path)


def _predict(path: Path) -> object:
    rng = np.random.default_rng(0)
    labels, confidence = Predictor(load_model(path)).predict(rng.random((200, 3)), np.zeros((200, 3), np.uint8))
    assert np.isfinite(confidence).all()
    return len(labels)


def place(target: Target, home: Path, away: Path, content: bytes) -> Path:
    """A copy of the target's surroundings below ``away`` with ``content`` for its file; returns that file."""
    path = away / target.file.relative_to(home)
    if not path.parent.is_dir():
        shutil.copytree(home, away, dirs_exist_ok=True)
    path.write_bytes(content)
    return path
