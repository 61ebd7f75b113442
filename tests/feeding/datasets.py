"""Training data of a small building, the batches drawn from it, and the comparison of two batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import torch

from pcseg.budgets.draw import draw_uniform
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.feeding.batch import Batch
from pcseg.feeding.dataset import TrainDataset
from pcseg.feeding.loading import loader
from pcseg.feeding.sample import Sample
from pcseg.feeding.samplers import StepSampler
from pcseg.feeding.transforms import Compose, Dropout, Elastic, Flip, Jitter, RotateZ, SphereCrop
from pcseg.scenes.scene import read_scene
from pcseg.sparse import SparseTensor
from tests.scenes.rooms import CLASSES

AUGMENT = Compose([RotateZ(), Flip(), Elastic(0.5, 0.1), Jitter(), Dropout(0.3)])


def budget(folders: Iterable[Path], fraction: float = 0.1) -> WeakLabels:
    """Return the labels of a random ``fraction`` of the points."""
    return draw_uniform((read_scene(f, CLASSES, with_labels=True) for f in folders), CLASSES, fraction)


def dataset(folders: list[Path], labels: WeakLabels | None, **settings: object) -> TrainDataset:
    """Return samples of color and height in voxels of 0.1 m, with all labels where ``labels`` is None."""
    return TrainDataset(folders, CLASSES, labels, ["color", "height"], 0.1, **settings)  # type: ignore[arg-type]


def equal(a: Batch | Sample, b: Batch | Sample) -> bool:
    """Return whether every field is equal, bit for bit."""
    pairs = [(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)]
    return all(_equal(x, y) for x, y in pairs)


def _equal(x: object, y: object) -> bool:
    if isinstance(x, SparseTensor) and isinstance(y, SparseTensor):
        return torch.equal(x.feats, y.feats) and torch.equal(x.coords, y.coords)
    return torch.equal(x, y) if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor) else x == y


def batches(data: TrainDataset, sampler: StepSampler, workers: int = 0) -> list[Batch]:
    """Return the batches of all steps, made by so many processes (0: this one)."""
    return list(loader(data, sampler, workers))


def augmented(folders: list[Path], labels: WeakLabels | None) -> TrainDataset:
    """Return samples augmented at random, of spheres of radius 1.5 m and at most 200 voxels."""
    return dataset(folders, labels, transform=AUGMENT, crop=SphereCrop(1.5), max_voxels=200)
