"""Move points at random: each on its own, or all together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pcseg.scenes.points import Points


@dataclass(frozen=True)
class Jitter:
    """Add normal noise of ``sigma`` meters to each coordinate, cut off at +-``clip`` meters."""

    sigma: float = 0.005
    clip: float = 0.02

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        noise = rng.standard_normal(points.coord.shape, dtype=np.float32) * np.float32(self.sigma)
        return replace(points, coord=points.coord + np.clip(noise, -self.clip, self.clip).astype(np.float32))


@dataclass(frozen=True)
class Shift:
    """Move the cloud by up to +-``meters`` along each axis, so that voxels fall elsewhere; heights stay."""

    meters: float = 0.2

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        return replace(points, coord=points.coord + rng.uniform(-self.meters, self.meters, 3).astype(np.float32))
