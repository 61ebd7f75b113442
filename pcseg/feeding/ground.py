"""Height of points above the ground below them, on slopes too: a raster of lowest points without what stands on it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pcseg.feeding.shape import UNIT

_MOST_CELLS = 2**24
"""Number of cells, about, of the largest raster; a wider scan gets larger cells."""


def ground_height(coord: np.ndarray, cell: float, window: float, slope: float) -> np.ndarray:
    """Return the height (P,) float32, in meters, of points (P, 3) above the ground, by the simple morphological filter.

    SMRF (Pingel, Clarke and McBride 2013, "An improved simple morphological filter for the terrain classification of
    airborne LIDAR data"). The lowest point of each ``cell`` (meters) makes a surface. It is
    opened (an erosion, then a dilation) with squares of growing half width, 1 cell to ``window`` meters; cells that
    an opening lowers by more than ``slope`` times its half width are objects, if they are no larger than twice
    ``window``. Cells that a closing with the smallest square raises by more than that are low outliers. The ground is
    what remains, interpolated linearly across the removed and empty cells, and bilinearly between centers of cells.
    Other than in SMRF, slopes are measured against the plane that fits the surface best, so that a hillside is not
    cut off where the scan ends. Coordinates are rounded to UNIT.
    """
    place = np.round((coord - coord.min(axis=0)) / UNIT) * UNIT
    extent = np.ptp(place[:, :2], axis=0)
    cell = max(cell, float(np.sqrt(extent.prod() / _MOST_CELLS)), float(extent.sum() / _MOST_CELLS))
    column = np.floor((place[:, :2] + UNIT / 2) / cell).astype(np.int64)
    lowest = np.full(column.max(axis=0) + 1, np.inf)
    np.minimum.at(lowest, tuple(column.T), place[:, 2])
    empty = np.isinf(lowest)
    surface = _nearest(lowest, empty)
    plane = _plane(surface)
    surface = surface - plane
    low = ndimage.grey_closing(surface, size=3, mode="nearest") - surface > slope * cell
    surface = _nearest(surface, empty | low)
    removed = empty | low
    opened = surface
    for half in range(1, max(1, round(window / cell)) + 1):
        smoothed = ndimage.grey_opening(opened, size=2 * half + 1, mode="nearest")
        removed |= opened - smoothed > slope * half * cell
        opened = smoothed
    ground = _filled(surface, removed) + plane
    center = (place[:, :2] + UNIT / 2) / cell - 0.5
    below = ndimage.map_coordinates(ground, center.T, order=1, mode="nearest")
    return (place[:, 2] - below).astype(np.float32)


def _plane(surface: np.ndarray) -> np.ndarray:
    """Return the raster of the plane that fits a raster best, in least squares."""
    x, y = (np.arange(size) - (size - 1) / 2 for size in surface.shape)  # centered, so that the three unknowns separate
    slope_x = (x @ surface.sum(axis=1)) / max(x @ x * len(y), 1.0)
    slope_y = (y @ surface.sum(axis=0)) / max(y @ y * len(x), 1.0)
    return np.asarray(surface.mean() + slope_x * x[:, None] + slope_y * y)


def _nearest(surface: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Return the raster with each ``unknown`` cell replaced by the nearest other one; as it is if all are unknown."""
    if not unknown.any() or unknown.all():
        return surface
    index = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(surface[tuple(index)])


def _filled(surface: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Return the raster with ``removed`` cells interpolated linearly along its rows and columns.

    Of the two values a cell gets so, that across the shorter gap weighs more, inversely to the gaps. Cells with no
    known cell on both sides of either axis get the value of the nearest.
    """
    total, weight = np.zeros(surface.shape), np.zeros(surface.shape)
    for values, kept, result, share in (
        (surface, ~removed, total, weight),
        (surface.T, ~removed.T, total.T, weight.T),
    ):
        at = np.broadcast_to(np.arange(values.shape[1]), values.shape)
        left = np.maximum.accumulate(np.where(kept, at, -1), axis=1)
        right = np.minimum.accumulate(np.where(kept, at, len(values.T))[:, ::-1], axis=1)[:, ::-1]
        row, column = np.nonzero(~kept & (left >= 0) & (right < len(values.T)))
        before, after = left[row, column], right[row, column]
        gap = after - before
        low, high = values[row, before], values[row, after]
        result[row, column] += (low + (column - before) / gap * (high - low)) / gap
        share[row, column] += 1 / gap
    between = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    return np.where(removed & (weight > 0), between, _nearest(surface, removed))
