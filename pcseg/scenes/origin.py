"""The frame of a prepared scene: an origin near its points, so that float32 holds them, and what strays lose to it."""

from __future__ import annotations

import numpy as np

from pcseg.scenes.bulk import bulk
from pcseg.scenes.places import column_bounds

FAR = 1000.0
"""Meters. Coordinates up to here are kept as they are (float32 has steps of 0.06 mm there); points that an empty space wider
than this parts from the bulk of a scan are strays, which have no say in where its origin is."""

_SAMPLE = 100_000
"""Strays, if they are the most, that tell how many of them are in places of their own."""


def recenter(coord: np.ndarray, apart: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Split finite coordinates (P, 3) into float32 ones near zero and an origin (3,) float64.

    The origin is the corner of the points that are no strays, rounded down, or zero where those lie within FAR of that.
    ``apart``: the strays, where they are known.
    """
    coord = np.asarray(coord, dtype=np.float64)
    origin = np.zeros(3)
    if len(coord):
        apart = strays(coord) if apart is None else apart
        low, high = column_bounds(coord[~apart] if apart.any() else coord)
        origin = np.floor(low) if max(-low.min(), high.max()) > FAR else origin
    return (coord - origin).astype(np.float32), origin


def precision(coord: np.ndarray, near: np.ndarray, origin: np.ndarray, apart: np.ndarray) -> tuple[float, float]:
    """By how many meters ``near + origin`` is off from ``coord`` (P, 3), at most, along an axis: of all points but the
    strays ``apart`` (P,), and of all."""
    error = np.zeros(len(coord))
    for axis in range(3):
        np.maximum(error, np.abs(near[:, axis].astype(np.float64) + origin[axis] - coord[:, axis]), out=error)
    return float(error[~apart].max(initial=0.0)), float(error.max(initial=0.0))


def strays(coord: np.ndarray) -> np.ndarray:
    """Mask (P,) of the points (P, 3) that an empty space of more than FAR parts from the bulk of the scan; see ``bulk``.

    Where no bulk holds half of the points there is none, and there are no strays; points in one place count as one.
    """
    none = np.zeros(len(coord), dtype=bool)
    if all(_dense(column) for column in coord.T):
        return none
    apart = ~bulk(coord, FAR)
    if 2 * apart.sum() <= len(coord):
        return apart
    few = coord[apart]
    few = few[:: max(1, len(few) // _SAMPLE)]
    places = apart.sum() * len(np.unique(few, axis=0)) / len(few)
    return none if places > (~apart).sum() else apart


def _dense(values: np.ndarray) -> bool:
    """Is it plain, without sorting (P,) values, that no gap between them is wider than FAR?"""
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
