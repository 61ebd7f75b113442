"""Label the points of a scan of any size, in their own order, with a trained network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pcseg.data.batch import Batch
from pcseg.data.readers.cloud import color_to_uint8
from pcseg.engine.checkpoint import Model
from pcseg.engine.tiles import Tile, tiles
from pcseg.errors import InputError
from pcseg.labels import IGNORE
from pcseg.methods.base import Method


@dataclass(frozen=True)
class Predictor:
    """A model ready to label scans.

    ``votes`` views of the scan, turned about the vertical and shifted against the voxel grid, are averaged (1: the scan
    as it is). A tile, with ``halo`` voxels around what it decides, holds at most ``max_voxels`` voxels; a scan that fits
    is done in one piece. Results are deterministic.
    """

    model: Model
    device: torch.device = torch.device("cpu")
    votes: int = 1
    max_voxels: int = 300_000
    halo: int = 40

    def __post_init__(self) -> None:
        if self.votes < 1:
            raise InputError(f"votes={self.votes}: give 1 or more")
        self.model.network.to(self.device)

    def protocol(self) -> str:
        """How labels are made, in words."""
        return (
            f"every point at full resolution, voxel {self.model.voxel_size:g} m, "
            f"{self.votes} vote{'s' * (self.votes > 1)}, tiles of up to {self.max_voxels} voxels "
            f"with {self.halo * self.model.voxel_size:g} m around them"
        )

    def predict(
        self, xyz: np.ndarray, color: np.ndarray | None = None, normal: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Label (P,) int64 and confidence (P,) float32, the mean probability of that label, of each point in order.

        ``xyz`` (P, 3) in metres, of any size and origin; ``color`` (P, 3), 0 to 255 or 0 to 1; ``normal`` (P, 3). Points
        with a NaN or infinite coordinate get IGNORE and confidence 0. Raises InputError where there is no point, shapes
        disagree, or the network needs what is missing here.
        """
        xyz, color, normal = _checked(xyz, color, normal)
        labels = np.full(len(xyz), IGNORE, dtype=np.int64)
        confidence = np.zeros(len(xyz), dtype=np.float32)
        finite = np.flatnonzero(np.isfinite(xyz).all(axis=1))
        if not len(finite):
            raise InputError(f"none of the {len(xyz)} points has finite coordinates; read the scan again")
        if len(finite) < len(xyz):
            xyz, color, normal = (None if a is None else a[finite] for a in (xyz, color, normal))
        with _evaluating(self.model.network):
            for tile in tiles(xyz, self.model.voxel_size, self.max_voxels, self.halo * self.model.voxel_size):
                best, chosen = self._label(tile, xyz, color, normal)
                rows = finite[tile.context[tile.core]]
                labels[rows], confidence[rows] = best, chosen
        return labels, confidence
