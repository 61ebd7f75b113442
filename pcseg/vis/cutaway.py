"""Cut a room open for a view into it: remove the ceiling and the walls between camera and furniture."""

from __future__ import annotations

import numpy as np

MOST_STRIPS = 10_000
"""Strips across the view in which the near edge of the ground plan is searched; 0.1 m wide or, if too many, wider."""


def ceiling_height(coord: np.ndarray) -> float:
    """Return the height (meters, in the frame of ``coord`` (P, 3)) above which the ceiling is cut away.

    The cloud has a ceiling if the points in the top tenth of its height cover at least half of its ground. Without a
    ceiling the height is just above the highest point.
    """
    low, high = np.percentile(coord[:, 2], (0.5, 99.5))
    top = coord[coord[:, 2] > high - 0.1 * (high - low)]
    if high - low < 1.0 or _ground(top) < 0.5 * _ground(coord):
        return float(coord[:, 2].max()) + 1e-3
    return float(high - 0.17 * (high - low))  # lamps and pipes hang below the ceiling itself


def inside(coord: np.ndarray, azimuth: float, keep: float = 0.12, depth: float = 0.3) -> np.ndarray:
    """Return the mask (P,) of the points to draw: those below the ceiling and not high up in a near wall.

    ``azimuth`` (degrees): direction from the cloud to the camera. Within ``depth`` meters of the edge of the ground
    plan that faces the camera, only the lowest fraction ``keep`` of the height is kept, so that a near wall becomes a
    low edge. Of a cloud without a ceiling all points are kept.
    """
    cut = ceiling_height(coord)
    if cut > coord[:, 2].max():
        return np.ones(len(coord), bool)
    a = np.radians(azimuth)
    toward = coord[:, 0] * np.cos(a) + coord[:, 1] * np.sin(a)
    across = coord[:, 1] * np.cos(a) - coord[:, 0] * np.sin(a)
    width = max(0.1, float(np.ptp(across)) / MOST_STRIPS)
    strip = np.floor((across - across.min()) / width).astype(np.int64)
    order = np.lexsort((toward, strip))
    last = (
        np.cumsum(np.bincount(strip)) - 1
    )  # up to 2 % of a strip, such as points outside a window, lie beyond the edge
    first = np.append(0, last[:-1] + 1)
    edge = toward[order][np.maximum(last - (last - first + 1) // 50, first).clip(0, len(coord) - 1)]
    floor = np.percentile(coord[:, 2], 0.5)
    near = toward > edge[strip] - depth
    return (coord[:, 2] < cut) & ~(near & (coord[:, 2] > floor + keep * (cut - floor)))


def _ground(coord: np.ndarray) -> int:
    """Return the number of 0.25 m squares of the ground that have points above them."""
    if len(coord) == 0:
        return 0
    x, y = np.floor((coord[:, :2] - coord[:, :2].min(axis=0)) / 0.25).astype(np.int64).T
    squares = np.sort(x * (y.max() + 1) + y)
    return 1 + int(np.count_nonzero(squares[1:] != squares[:-1]))
