"""Losses of values that a network makes: their distance to true ones, in numbers and to a critic."""

from __future__ import annotations

from torch import Tensor

from pcseg.exact import exact
from pcseg.losses.means import weighted_mean


def least_squares(scores: Tensor, target: float, among: Tensor) -> Tensor:
    """Return the mean of (score - target)^2 over the elements ``among`` (E,) bool; ``scores`` (E, 1) of a critic.

    Least-squares GAN (Mao et al., arXiv 1611.04076, Eq. 9): a critic learns 1 for true and 0 for made values, and who
    makes them 1. Computed in float32 or float64; without elements it is 0.
    """
    return weighted_mean((exact(scores) - target).square().mean(dim=1), among)


def absolute_distance(values: Tensor, wanted: Tensor, among: Tensor) -> Tensor:
    """Return the mean absolute difference of two sets of values (E, C) over the elements ``among`` (E,) bool.

    Computed in float32 or float64; without elements it is 0.
    """
    return weighted_mean((exact(values) - exact(wanted)).abs().mean(dim=1), among)
