"""What a network finds in a tile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
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

    def repeated(self, times: np.ndarray) -> Scores:
        """Return what was found where each point stands for several, ``times`` (P,), one after the other."""
        at = torch.arange(len(self.values), device=self.values.device) if self.voxel is None else self.voxel
        return Scores(self.values, at.repeat_interleave(torch.from_numpy(times).to(at.device)))

    def _spread(self, values: Tensor) -> Tensor:
        return values if self.voxel is None else values[self.voxel]


def array(values: Tensor) -> np.ndarray:
    """Return ``values`` as an array on the CPU."""
    return values.cpu().numpy()
