"""Stretch a cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcseg.errors import InputError
from pcseg.scenes.points import Points


@dataclass(frozen=True)
class Scale:
    """Multiply coordinates by a factor drawn from [low, high]: one for all axes, or one for each if ``anisotropic``."""

    low: float = 0.9
    high: float = 1.1
    anisotropic: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise InputError(f"Scale: low={self.low:g}, high={self.high:g} must be positive and in order")

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        return points.mapped(np.diag(np.ones(3) * rng.uniform(self.low, self.high, 3 if self.anisotropic else 1)))
