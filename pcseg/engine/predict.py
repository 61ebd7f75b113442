"""Label the points of a scan of any size, in their own order, with a trained network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from pcseg.data.features import Features
from pcseg.data.points import Points, floor_level, make_points
from pcseg.data.readers.colors import color_to_uint8
from pcseg.data.sample import collate, make_sample
from pcseg.engine.checkpoint import Model
from pcseg.engine.tiles import Tile, tiles
from pcseg.errors import InputError
from pcseg.labels import IGNORE
from pcseg.methods.base import Method

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Predictor:
    """A model ready to label scans.

    ``votes`` views of the scan, turned about the vertical and moved sideways against the voxel grid, are averaged (1: the scan
    as it is). A tile, with ``halo`` voxels around what it decides, holds at most ``max_voxels`` voxels; a scan that fits
    is done in one piece. Results are deterministic.
    """

    model: Model
    device: torch.device = CPU
    votes: int = 1
    max_voxels: int = 300_000
    halo: int = 40

    def __post_init__(self) -> None:
        if self.votes < 1:
            raise InputError(f"votes={self.votes}: give 1 or more")
        if self.max_voxels < 1:
            raise InputError(f"max_voxels={self.max_voxels}: give 1 or more (about 200000)")
        self.model.network.to(self.device)

    @property
    def _features(self) -> Features:
        return Features(self.model.features)

    def protocol(self) -> str:
        """How labels are made, in words."""
        return (
            f"every point at full resolution, voxel {self.model.voxel_size:g} m, "
            f"{self.votes} vote{'s' * (self.votes > 1)}, tiles of up to {self.max_voxels} voxels "
            f"with {self.halo * self.model.voxel_size:g} m around them"
        )

    def predict(
        self,
        xyz: np.ndarray,
        color: np.ndarray | None = None,
        normal: np.ndarray | None = None,
        *,
        name: str = "the scan",
    ) -> tuple[np.ndarray, np.ndarray]:
        """Label (P,) int64 and confidence (P,) float32, the mean probability of that label, of each point in order.

        ``xyz`` (P, 3) in metres, of any size and origin; ``color`` (P, 3), 0 to 255 or 0 to 1; ``normal`` (P, 3). Points
        with a NaN or infinite coordinate get IGNORE and confidence 0. Raises InputError, which begins with ``name``, where
        there is no point, shapes disagree, or the network needs what is missing here.
        """
        xyz, color, normal = _checked(name, xyz, color, normal)
        self._features.check(name, color is not None, normal is not None)
        labels = np.full(len(xyz), IGNORE, dtype=np.int64)
        confidence = np.zeros(len(xyz), dtype=np.float32)
        finite = np.flatnonzero(np.isfinite(xyz).all(axis=1))
        if not len(finite):
            raise InputError(f"{name}: none of the {len(xyz)} points has finite coordinates; read the scan again")
        if len(finite) < len(xyz):
            xyz = xyz[finite]
            color, normal = (None if a is None else a[finite] for a in (color, normal))
        # Measured from the scan's own corner, since UTM coordinates would not survive float32, and from its floor, since
        # training scenes stand on z = 0: so the floor meets the voxel grid here as it did there.
        xyz = xyz - (*xyz[:, :2].min(axis=0), floor_level(xyz))
        scan = _Scan(xyz, color, normal)
        with _evaluating(self.model.network):
            for tile in tiles(xyz, self.model.voxel_size, self.max_voxels, self.halo * self.model.voxel_size):
                rows = finite[tile.context[tile.core]]
                labels[rows], confidence[rows] = self._label(tile, scan)
        return labels, confidence

    def _label(self, tile: Tile, scan: _Scan) -> tuple[np.ndarray, np.ndarray]:
        """Labels and confidences of the core points of a tile."""
        points = self._points(tile, scan)
        core = torch.from_numpy(tile.core).to(self.device)
        total = torch.zeros(int(tile.core.sum()), len(self.model.classes), device=self.device)
        for vote in range(self.votes):
            sample = make_sample(self._view(points, vote), self._features, self.model.voxel_size)
            elements = Method(self.model.network).predict(collate([sample]).to(self.device))
            total += elements.logits.float().softmax(dim=1)[sample.inverse.to(self.device)[core]]
        confidence, labels = (total / self.votes).max(dim=1)
        return labels.cpu().numpy(), confidence.cpu().numpy()

    def _points(self, tile: Tile, scan: _Scan) -> Points:
        """The points of a tile, moved near zero by whole cells of the network's coarsest level.

        Any other move would make the coarse levels see other cells than in the whole scan, and than in training, where
        the floor is at z = 0: untrained for it, a network then mistakes the floor for something else.
        """
        coord = scan.xyz[tile.context]
        strides: tuple[int, ...] = self.model.network.strides  # type: ignore[assignment]
        cell = strides[-1] * self.model.voxel_size
        corner = np.floor(coord.min(axis=0) / cell) * cell
        color, normal = (None if a is None else a[tile.context] for a in (scan.color, scan.normal))
        return make_points(coord - corner, color, normal, floor=-corner[2])

    def _view(self, points: Points, vote: int) -> Points:
        """The points as one vote sees them: turned about the vertical and moved sideways; vote 0 as they are."""
        angle = 2 * math.pi * vote / self.votes
        cos, sin = math.cos(angle), math.sin(angle)
        turned = points.mapped(np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])) if vote else points
        shift = self.model.voxel_size * np.modf(vote * np.array([0.382, 0.618, 0.0]))[0]
        return replace(turned, coord=turned.coord + shift.astype(np.float32))


def choose_device(name: str) -> torch.device:
    """ "cpu", "cuda", or with "auto" the GPU if there is one; raises InputError where there is none of that kind."""
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device={name}: write auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda: PyTorch finds no GPU here; write device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class _Scan:
    """A scan with finite coordinates (P, 3) float64 that stands on z = 0."""

    xyz: np.ndarray
    color: np.ndarray | None
    normal: np.ndarray | None


def _checked(
    name: str, xyz: np.ndarray, color: np.ndarray | None, normal: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """The arrays as float64, uint8 and float32, of shapes that agree."""
    xyz = np.asarray(xyz, dtype=np.float64)
    if xyz.ndim != 2 or xyz.shape[1] != 3:
        raise InputError(f"{name}: xyz has shape {xyz.shape}; give (P, 3)")
    if not len(xyz):
        raise InputError(f"{name}: has no point; read or export it again")
    for key, array in (("color", color), ("normal", normal)):
        if array is not None and np.shape(array) != xyz.shape:
            raise InputError(f"{name}: {key} has shape {np.shape(array)}, the points {xyz.shape}; give one row a point")
    return (
        xyz,
        None if color is None else color_to_uint8(np.asarray(color), name),
        None if normal is None else np.asarray(normal, dtype=np.float32),
    )


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """No gradients and the network in eval mode; afterwards in the mode it was in."""
    training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(training)
