"""Choose the origin of a prepared scene near its points, so that float32 holds them, and measure what strays lose."""

from __future__ import annotations

import numpy as np

from pcseg.scenes.bulk import bulk
from pcseg.scenes.places import column_bounds

FAR = 1000.0
"""Largest coordinate, in meters, that is kept as it is (float32 has steps of 0.06 mm there); also the width of an empty
space from which points beyond it are strays, which have no influence on the origin."""

_SAMPLE = 100_000
"""Number of strays, where they are the most, on which is measured how many are in places of their own."""


def recenter(coord: np.ndarray, far: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Split finite coordinates (P, 3) into float32 ones near zero and an origin (3,) float64.

    The origin is the corner of the points that are no strays, rounded down, or zero where those lie within FAR of that.
    ``far`` (P,): the strays, where they are known.
    """
    coord = np.asarray(coord, dtype=np.float64)
    origin = np.zeros(3)
    if len(coord):
        far = strays(coord) if far is None else far
        low, high = column_bounds(coord[~far] if far.any() else coord)
        origin = np.floor(low) if max(-low.min(), high.max()) > FAR else origin
    return (coord - origin).astype(np.float32), origin


def precision(coord: np.ndarray, near: np.ndarray, origin: np.ndarray, far: np.ndarray) -> tuple[float, float]:
    """Return the largest distance, in meters along an axis, of ``near + origin`` from ``coord`` (P, 3).

    Two values: of all points but the strays ``far`` (P,), and of all.
    """
    error = np.zeros(len(coord))
    for axis in range(3):
        np.maximum(error, np.abs(near[:, axis].astype(np.float64) + origin[axis] - coord[:, axis]), out=error)
    return float(error[~far].max(initial=0.0)), float(error.max(initial=0.0))


def strays(coord: np.ndarray) -> np.ndarray:
    """Return the mask (P,) of the strays of (P, 3): points that an empty space wider than FAR separates from the bulk.

    Where no bulk holds half of the points, there are no strays; points in one place count as one. See ``bulk``.
    """
    none = np.zeros(len(coord), dtype=bool)
    if all(_dense(column) for column in coord.T):
        return none
    far = ~bulk(coord, FAR)
    if 2 * far.sum() <= len(coord):
        return far
    few = coord[far]
    few = few[:: max(1, len(few) // _SAMPLE)]
    places = far.sum() * len(np.unique(few, axis=0)) / len(few)
    return none if places > (~far).sum() else far


def _dense(values: np.ndarray) -> bool:
    """Return whether it is certain, without sorting (P,) values, that no gap between them is wider than FAR."""
    values = np.asarray(values, dtype=np.float64)
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    slabs = int((high - low) / (FAR / 2)) + 1
    if slabs <= 2:
        return True
    if slabs > len(values):
        return False
    filled = np.zeros(slabs, dtype=bool)
    filled[((values - low) / (FAR / 2)).astype(np.int64)] = True
    return bool(filled.all())
