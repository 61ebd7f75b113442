"""Training data in a folder, and training steps timed in parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import lightning_fabric
import torch

from benchmarks.harness.scenes import FEATURES
from benchmarks.harness.timing import synchronize
from pcseg.budgets.draw import draw_uniform
from pcseg.engine.train import Optimizer, Stage
from pcseg.feeding.batch import Batch
from pcseg.feeding.dataset import TrainDataset
from pcseg.feeding.transforms import (
    AutoContrast,
    ColorJitter,
    ColorShift,
    Compose,
    Flip,
    Jitter,
    RotateZ,
    Scale,
    Shift,
    SphereCrop,
)
from pcseg.methods.base import Method
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.scenes.scene import read_scene, scene_classes

LABELED, RADIUS = 0.01, 2.0
"""Share of the points that carry a label; radius of the crop that makes a sample, in meters."""
CLIP = 10.0
"""Largest gradient norm, as in tools/train.py."""
PARTS = ("data", "forward", "backward", "optimizer")
"""Parts of a step."""


def now() -> float:
    """Return seconds on a clock, after the GPU has finished its work."""
    synchronize()
    return time.perf_counter()


def make_dataset(folders: Sequence[Path], voxel_size: float) -> TrainDataset:
    """Return samples of prepared scenes with the labels, crop and augmentation of configs/experiment/demo.yaml."""
    classes = scene_classes(folders[0])
    labels = draw_uniform((read_scene(folder, classes, with_labels=True) for folder in folders), classes, LABELED)
    transform = Compose(
        [
            RotateZ(), Flip(), Scale(0.9, 1.1), Jitter(0.005, 0.02), Shift(0.8), AutoContrast(), ColorShift(0.05),
            ColorJitter(0.02),
        ]
    )  # fmt: skip
    return TrainDataset(folders, classes, labels, FEATURES, voxel_size, transform, SphereCrop(RADIUS))


class Trainer:
    """A method with a network and optimizers of its own, for one step after the other."""

    def __init__(
        self, fabric: lightning_fabric.Fabric, method: Callable[[Model], Method], network: str, dataset: TrainDataset
    ) -> None:
        inputs = VoxelInputs(dataset.voxel_size, dataset.features)
        spec = NetworkSpec(network, {"in_channels": inputs.width, "n_classes": len(dataset.classes)})
        self.fabric = fabric
        made = method(Model(Networks.build(spec), dataset.classes, inputs))
        scaled = getattr(fabric.strategy.precision, "scaler", None) is not None  # which refuses to clip for a fused one
        adam = Optimizer(partial(torch.optim.AdamW, weight_decay=0.02, fused=not scaled))
        players = Stage("step", 1, method, lambda *_: (), {"main": adam}).players(made)
        self.method, *optimizers = fabric.setup(made, *(optimizer for optimizer, _ in players.values()))
        self.optimizers = dict(zip(players, optimizers, strict=True))
        self.method.mark_forward_method("losses")
        self.method.train()
        self.steps = 0

    def step(self, batch: Batch, progress: float) -> dict[str, float]:
        """Do a step as pcseg.engine.train does; return the seconds of forward, backward and optimizer.

        Nothing is kept in ``batch``: the step builds its own kernel maps.
        """
        times = dict.fromkeys(PARTS[1:], 0.0)
        for player, optimizer in self.optimizers.items():
            marks = [now()]
            with self.fabric.autocast():
                losses = self.method.losses(batch.to(self.fabric.device), progress, player)
                loss = torch.stack(list(losses.values())).sum()
                marks.append(now())
                self.fabric.backward(loss)
            marks.append(now())
            self.fabric.clip_gradients(self.method, optimizer, max_norm=CLIP, error_if_nonfinite=False)
            optimizer.step()
            self.method.zero_grad()
            marks.append(now())
            for part, (start, end) in zip(times, pairwise(marks), strict=True):
                times[part] += end - start
        start = now()
        self.method.after_step(self.steps)
        times["optimizer"] += now() - start
        self.steps += 1
        return times
