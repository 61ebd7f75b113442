"""Sums over all pairs, weighted by a Gaussian of the distance between features."""

from __future__ import annotations

import torch
from torch import Tensor

PAIRS_AT_ONCE = 2**20
"""Number of weights that are held at a time: 8 MB."""


class ExactFilter:
    """``filter(values)[i] = sum_j exp(-|f_i - f_j|^2 / 2) values[j]`` for features f (E, d), j = i included.

    ``features`` (E, d) in standard deviations; ``values`` (E, K) of the same type. Computed in float64: in float32 tiny
    weights are denormal, and slow. Time grows with E^2, memory with E.
    """

    def __init__(self, features: Tensor) -> None:
        self._features = features.double()

    def __call__(self, values: Tensor) -> Tensor:
        """Return the sums (E, K), of the type of ``values`` (E, K)."""
        own, wide = self._features, values.double()
        parts = own.split(max(1, PAIRS_AT_ONCE // max(1, len(own))))
        return torch.cat([_weights(part, own) @ wide for part in parts]).to(values.dtype)


def _weights(one: Tensor, other: Tensor) -> Tensor:
    # Without matrix products, whose differences of large squares lose the squares of small differences.
    distance = torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.square_().mul_(-0.5).exp_()
