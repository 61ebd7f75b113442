"""What the tests of the loop share: a method of two layers, batches through a loader, and a run of two stages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import lightning_fabric
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from pcseg.classes import IGNORE, Classes
from pcseg.engine.folder import RunFolder
from pcseg.engine.run import Settings
from pcseg.engine.train import Optimizer, Stage, train
from pcseg.feeding.batch import Batch
from pcseg.losses import cross_entropy
from pcseg.methods.base import Method
from pcseg.metrics import ConfusionMatrix
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks
from pcseg.model.tensor_file import read_tensors
from pcseg.schedules import Cosine


class Killed(Exception):
    """Stands for kill -9."""


class Toy(Method):
    """Cross-entropy of a dropout and a linear layer.

    Stops dead before step ``dies``, has a loss that is not finite at ``breaks``, at ``overflows`` a gradient.
    """

    def __init__(self, model: Model, dies: int = -1, breaks: int = -1, overflows: int = -1) -> None:
        super().__init__(model)
        self.extra = nn.Linear(2, 2)
        self.dies, self.breaks, self.overflows = dies, breaks, overflows
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        if int(self.steps) == self.dies:
            raise Killed
        logits = self.network(nn.functional.dropout(batch.inputs, 0.5))
        scale = math.nan if int(self.steps) == self.breaks else 1.0
        losses = {"ce": scale * cross_entropy(logits, batch.labels), "extra": 0.1 * self.extra(logits).square().mean()}
        if int(self.steps) == self.overflows:
            losses["extra"] = losses["extra"] + (0 * logits.sum()).sqrt()  # 0, and 0 / 0 as its gradient
        return losses

    def after_step(self, step: int) -> None:
        self.steps += 1


def batch(number: int, size: int = 8, labeled: bool = True) -> Batch:
    generator = torch.Generator().manual_seed(number)
    feats = torch.randn(size, 3, generator=generator)
    labels = (feats[:, 0] > 0).long() if labeled else torch.full((size,), IGNORE)
    zeros = torch.zeros(size, 3)
    return Batch(feats, torch.zeros(size, dtype=torch.int64), zeros, zeros, labels, ("a",))


def batches(offset: int, per_step: int, labeled: bool, model: Model, start: int) -> Iterable[Batch]:
    """Through a DataLoader, which draws from the global generator when it is opened."""
    first = offset + start * per_step
    return DataLoader([batch(first + i, labeled=labeled) for i in range(500)], batch_size=None)


def run(
    path: Path,
    *,
    steps: int = 6,
    resume: bool = False,
    labeled: bool = True,
    settings: Settings | None = None,
    precision: Any = None,
    **toy: int,
) -> tuple[Model, dict[int, float]]:
    """Two stages of ``steps`` steps; the weights and the loss at each step, as the folder holds them."""
    settings = settings or Settings(seed=3, checkpoint_every=4, evaluate_every=5)
    torch.manual_seed(0)
    model = Model(Networks(nn.Linear(3, 2)), Classes(("low", "high")), VoxelInputs(0.1, ("ones",)))
    adam = partial(torch.optim.AdamW, lr=0.05)
    sgd = partial(torch.optim.SGD, lr=0.05, momentum=0.9)
    source = partial(batches, 0, settings.accumulate, labeled)
    stages = [
        Stage("one", steps, partial(Toy, **toy), source, {"main": Optimizer(adam, Cosine())}),
        Stage("two", steps, Toy, partial(batches, 1000, settings.accumulate, labeled), {"main": Optimizer(sgd)}),
    ]

    def evaluate() -> ConfusionMatrix:
        matrix = ConfusionMatrix(2)
        test = batch(7777, 200)
        matrix.add(model.network(test.inputs).argmax(1), test.labels)
        torch.rand(13)  # an evaluation may draw: nothing after it may depend on that
        return matrix

    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1, plugins=precision)
    train(fabric, model, stages, RunFolder(path), settings, evaluate, resume)
    lines = [json.loads(line) for line in (path / "curve.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 2 * steps + 1))
    return model, {line["step"]: line["loss"] for line in lines}


def weights(path: Path) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in read_tensors(path, "model")[0].items()}
