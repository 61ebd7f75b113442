"""Small runs of every kind of method: models, batches in memory, stages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import lightning_fabric
import torch

from pcseg.classes import IGNORE, Classes
from pcseg.engine.folder import RunFolder
from pcseg.engine.run import Settings
from pcseg.engine.train import Optimizer, Stage, train
from pcseg.feeding.batch import Batch
from pcseg.feeding.pictures.sample import PictureSample, collate_pictures
from pcseg.methods import Supervised
from pcseg.metrics import ConfusionMatrix
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.model.tensor_file import read_tensors
from pcseg.sparse import SparseTensor
from tests.methods import kinds

CONSTRUCTORS = {"points": kinds.Points, "pixels": kinds.Pixels}


NAMES = Classes(("a", "b", "c"))


FEATURES = ("color", "height")


EVERYTHING = frozenset({"tags", "matches", "domain"})


def model_of(kind: str = "points", classes: Classes = NAMES, **arguments: int) -> Model:
    inputs: Any = VoxelInputs(0.2, FEATURES) if kind == "points" else ImageInputs()
    spec = NetworkSpec(kind, {"in_channels": inputs.width, "n_classes": len(classes), **arguments}, CONSTRUCTORS[kind])
    return Model(Networks.build(spec), classes, inputs)


def voxels(number: int) -> Batch:
    """Four samples of 20 voxels: two labeled and two not, of which the last two show one scene."""
    generator = torch.Generator().manual_seed(number)
    xyz = torch.stack(torch.meshgrid(torch.arange(5), torch.arange(4), torch.arange(1), indexing="ij"), -1).view(-1, 3)
    sample = torch.arange(4).repeat_interleave(20)
    coords = torch.cat([sample[:, None], xyz.repeat(4, 1)], dim=1).int()
    feats = torch.randn(80, 4, generator=generator)
    labels = torch.where((feats[:, 0] > 0) & (sample < 2), 1, torch.where(sample < 2, 0, IGNORE))
    nothing = torch.zeros(80, 3)
    return Batch(
        SparseTensor(feats, coords), sample, nothing, nothing, labels, ("a", "b", "c", "c"),
        tags=torch.tensor([[1, 1, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]]).bool(),
        domain=torch.tensor([0, 0, 1, 1]),
        matches=torch.stack([torch.arange(40, 60), torch.arange(60, 80)]),
    )  # fmt: skip


def images(number: int) -> Batch:
    generator = torch.Generator().manual_seed(number)
    colors = torch.rand(2, 3, 6, 5, generator=generator)
    inputs = ImageInputs()
    number = torch.arange(30).reshape(6, 5)
    samples = [PictureSample(c, (c[0] > 0.5).long(), number, name) for c, name in zip(colors, "ab", strict=True)]
    return collate_pictures(samples, inputs.mean, inputs.std)


def endless(make: Any, model: Model, start: int) -> Iterable[Batch]:
    return (make(number) for number in range(start, 10**6))


SGD = {"main": Optimizer(partial(torch.optim.SGD, lr=0.05, momentum=0.9))}


def run(path: Path, model: Model, stages: list[Stage], resume: bool = False) -> dict[str, float]:
    """Train and return the last line of the curve."""
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    folder = RunFolder(path)
    train(fabric, model, stages, folder, Settings(checkpoint_every=2), lambda: ConfusionMatrix(3), resume)
    lines: list[dict[str, float]] = [json.loads(line) for line in (path / "curve.jsonl").read_text().splitlines()]
    return lines[-1]


def stage(kind: Any, steps: int = 4, name: str = "one", make: Any = voxels, **options: Any) -> Stage:
    options = {"optimizers": SGD, "offers": EVERYTHING, "batches": partial(endless, make)} | options
    return Stage(name, steps, kind, **options)


def tensors(path: Path, kind: str = "model") -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in read_tensors(path, kind)[0].items()}


KINDS: dict[str, Any] = {
    "supervised": Supervised, "co-training": kinds.CoTraining, "mean teacher": kinds.Averaged,
    "views": kinds.Agreeing, "semi-supervised": kinds.Confident, "tags": kinds.Tagged,
    "adversary": kinds.Adversarial, "rates": kinds.FastHead, "outputs": kinds.Projected,
}  # fmt: skip
