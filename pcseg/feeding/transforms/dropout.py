"""Leave points out at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.scenes.points import Points


@dataclass(frozen=True)
class Dropout:
    """Leave out each point with probability ``ratio``, but never a labeled one (label not IGNORE), nor the last one.

    Under full supervision, where all points are labeled, nothing is left out.
    """

    ratio: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1:
            raise InputError(f"Dropout: ratio={self.ratio:g} must be a probability, 0 to 1")

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        kept = (rng.random(len(points)) >= self.ratio) | (points.labels != IGNORE)
        if not kept.any():
            kept[rng.integers(len(points))] = True
        return points[kept]
