"""Mirror a cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcseg.scenes.points import Points


@dataclass(frozen=True)
class Flip:
    """Mirror x with probability ``p``, and likewise y; never the vertical axis."""

    p: float = 0.5

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        x, y = np.where(rng.random(2) < self.p, -1.0, 1.0)
        return points.mapped(np.diag([x, y, 1.0]))
