"""Bend a cloud smoothly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from pcseg.errors import InputError
from pcseg.scenes.places import column_bounds
from pcseg.scenes.points import Points


@dataclass(frozen=True)
class Elastic:
    """Move points along a smooth random field (elastic distortion; Simard et al. 2003, in 3D as MinkowskiEngine does).

    Normal noise on a grid of ``spacing`` meters is smoothed by two box filters of three cells an axis, interpolated
    linearly, and multiplied by ``magnitude`` meters. Normals and heights stay.
    """

    spacing: float = 0.2
    magnitude: float = 0.4

    def __post_init__(self) -> None:
        if not self.spacing > 0 or self.magnitude < 0:
            raise InputError(f"Elastic: spacing={self.spacing:g}, magnitude={self.magnitude:g} must be positive")

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        low, high = column_bounds(points.coord)
        place = ((points.coord - low) / np.float32(self.spacing)).T + np.float32(1)
        shape = tuple(int(n) + 4 for n in (high - low) / self.spacing)
        moved = np.empty_like(points.coord)
        for axis in range(3):
            field = rng.standard_normal(shape, dtype=np.float32)
            for _ in range(2):
                field = ndimage.uniform_filter(field, size=3, mode="constant")
            moved[:, axis] = ndimage.map_coordinates(field, place, order=1, mode="nearest")
        return replace(points, coord=points.coord + np.float32(self.magnitude) * moved)
