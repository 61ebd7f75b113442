"""What a network finds in a tile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

Keep = Callable[[np.ndarray, "Scores"], None]
"""Function that takes rows (n,) of a scan and what was found of them."""


@dataclass(frozen=True)
class Scores:
    """Probabilities, or features, of points: those of voxels (V, K), and the voxel (P,) of each point.

    ``voxel`` None: each point has a row of its own.
    """

    values: Tensor
    voxel: Tensor | None = None

    def of_points(self) -> Tensor:
        """Return what was found of each point, (P, K)."""
        return self._spread(self.values)

    def decide(self) -> tuple[Tensor, Tensor]:
        """Return the most probable class (P,) int64 of each point, and its probability (P,)."""
        sure, label = self.values.max(dim=1)
        return self._spread(label), self._spread(sure)

    def _spread(self, values: Tensor) -> Tensor:
        return values if self.voxel is None else values[self.voxel]
