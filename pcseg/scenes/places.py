"""Tell which coordinates stand for a place; measure their bounds and the floor of a scan."""

from __future__ import annotations

import numpy as np

from pcseg.spool import copied, pieces

FARTHEST = np.float64(1e12)  # of numpy's type, since as float16 it would be infinite
"""Largest coordinate, in meters, that stands for a place. Beyond it lie the values that tools write for "no data"
(3.4e38, 1e30); float64 has steps of 0.1 mm there, and voxels could soon no longer be numbered."""


def usable(coord: np.ndarray) -> np.ndarray:
    """Return the mask (P,) of the points of (P, 3) with coordinates that stand for a place: finite, within FARTHEST."""
    found = np.ones(len(coord), dtype=bool)
    with np.errstate(invalid="ignore"):
        for rows, piece in pieces(np.asarray(coord)):
            for column in piece.T:  # one after the other, which numpy does faster; NaN is in no range
                found[rows] &= (column >= -FARTHEST) & (column <= FARTHEST)
    return found


def column_bounds(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and largest value of each column of (P, 3); column by column numpy is many times faster."""
    columns = array.T
    return np.array([c.min() for c in columns]), np.array([c.max() for c in columns])


def floor_level(coord: np.ndarray) -> float:
    """Return the height of the floor of a scan (P, 3): the 1st percentile of z, since strays below do not move it."""
    z = copied(np.asarray(coord)[:, 2])
    rank = len(z) // 100
    z.partition(rank)
    return float(z[rank])
