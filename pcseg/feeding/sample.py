"""From points to voxels, the same in training and prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.feeding.features import Features
from pcseg.ops import Voxels, quantize, segment_max, voxelize
from pcseg.scenes.points import Points


@dataclass(frozen=True)
class Sample:
    """N voxels made of P points: ``coords`` (N, 3) int32; ``feats`` (N, F), ``position`` (N, 3) in meters and ``color``
    (N, 3) in [0, 1] (zeros where the scan has none), float32; ``labels`` (N,) int64. A voxel takes all of these from
    one of its points. ``inverse`` (P,) int64 is the voxel of each point, -1 for none.

    ``weights`` (N,) float32: confidence of labels that were guessed. ``tags`` (K,) bool: classes known to be in the
    sample. ``domain``: 0 for a labeled, 1 for an unlabeled sample. ``view``: samples of one number show the same
    scene. ``row`` (P,) int64 numbers the points in their scene, and ``point`` (N,) int64 is the number of the one that
    a voxel is taken from; None where several scenes were merged.
    """

    coords: Tensor
    feats: Tensor
    position: Tensor
    color: Tensor
    labels: Tensor
    inverse: Tensor
    name: str
    weights: Tensor | None = None
    tags: Tensor | None = None
    domain: int | None = None
    view: int | None = None
    row: Tensor | None = None
    point: Tensor | None = None


def make_sample(points: Points, features: Features, voxel_size: float, name: str = "") -> Sample:
    """Return voxels of ``voxel_size`` meters, aligned to the origin of ``points.coord``.

    A voxel is represented by its first labeled point (label not IGNORE), else by its first point, so no voxel with a
    label loses it; where labels in one voxel disagree, the first point's stands. Where points have a ``weight``, the
    first of its labeled points of the largest weight takes the place of the first: a given label (weight 1) is not lost
    to a guess (below 1). Raises InputError for coordinates that are not finite or too far off for the voxel size, and
    for features the scan lacks.
    """
    features.check(name or "points", points.attributes)
    coords = quantize(torch.from_numpy(np.require(points.coord, np.float32, ["C", "W"])), voxel_size)
    sample = torch.zeros((len(coords), 1), dtype=torch.int32)
    voxels = _voxels(torch.cat([sample, coords], dim=1), points)
    rows = voxels.rows
    row = points.attributes.get("row")
    numbers = None if row is None else torch.from_numpy(row.astype(np.int64))
    found = voxel_sample(points[rows.numpy()], coords[rows].numpy(), features, name)
    return replace(found, inverse=voxels.inverse, row=numbers, point=None if numbers is None else numbers[rows])


def voxel_sample(points: Points, voxels: np.ndarray, features: Features, name: str = "") -> Sample:
    """Return the sample of N ``points``, each alone in its voxel: ``voxels`` (N, 3) int32, distinct and in order.

    Raises InputError for features that the points lack.
    """
    features.check(name or "points", points.attributes)
    color = np.zeros((len(points), 3), dtype=np.float32) if points.color is None else points.color
    weight = points.attributes.get("weight")
    return Sample(
        coords=torch.from_numpy(voxels),
        feats=torch.from_numpy(features(points)),
        position=torch.from_numpy(points.coord),
        color=torch.from_numpy(color),
        labels=torch.from_numpy(points.labels.astype(np.int64)),
        inverse=torch.arange(len(points)),
        name=name,
        weights=None if weight is None else torch.from_numpy(weight),
    )


def _voxels(coords: Tensor, points: Points) -> Voxels:
    """Return the voxels of ``coords`` (P, 4), each represented by its labeled point of the largest weight."""
    known, weight = torch.from_numpy(points.labels != IGNORE), points.attributes.get("weight")
    voxels = voxelize(coords, keep=known)
    if weight is None:
        return voxels
    confidence = torch.where(known, torch.from_numpy(weight), -1)
    most = segment_max(confidence, voxels.inverse, len(voxels.rows))
    return voxelize(coords, keep=known & (confidence == most[voxels.inverse]))
