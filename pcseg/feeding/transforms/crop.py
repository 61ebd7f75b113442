"""Cut out the part of a scene around a center, on its raw coordinates: the rest is never touched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SphereCrop:
    """Points of (P, 3) within ``radius`` meters of a center (3,), as indices."""

    radius: float

    def __call__(self, coord: np.ndarray, center: np.ndarray) -> np.ndarray:
        offset = coord - center
        return np.flatnonzero(np.einsum("pi,pi->p", offset, offset) <= self.radius**2)


@dataclass(frozen=True)
class BoxCrop:
    """Points of (P, 3) whose x and y lie within ``size / 2`` meters of a center (3,), at any height, as indices."""

    size: float

    def __call__(self, coord: np.ndarray, center: np.ndarray) -> np.ndarray:
        x, y = np.abs(coord[:, 0] - center[0]), np.abs(coord[:, 1] - center[1])
        return np.flatnonzero((x <= self.size / 2) & (y <= self.size / 2))
