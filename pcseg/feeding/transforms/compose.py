"""Apply transforms in order, or one with some probability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pcseg.errors import InputError
from pcseg.scenes.points import Points

Transform = Callable[[Points, np.random.Generator], Points]


@dataclass(frozen=True)
class Compose:
    """Apply ``transforms`` in order."""

    transforms: Sequence[Transform]

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        for transform in self.transforms:
            points = transform(points, rng)
        return points


@dataclass(frozen=True)
class Sometimes:
    """Apply ``transform`` with probability ``p``, else leave the points as they are."""

    transform: Transform
    p: float

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise InputError(f"Sometimes: p={self.p:g} must be a probability, 0 to 1")

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        return self.transform(points, rng) if rng.random() < self.p else points
