"""What to take off a room so that one looks into it: the ceiling, and the walls between camera and furniture."""

from __future__ import annotations

import numpy as np

MOST_STRIPS = 10_000
"""Parts that the near edge of the ground plan is looked for in; of 0.1 m each, where that is not too many."""


def ceiling_height(coord: np.ndarray) -> float:
    """Height (m, in the cloud's frame) above which the ceiling is cut; the top of the cloud where it has no ceiling.

    A ceiling is taken to be there when the topmost tenth of the height holds points over at least half of the ground
    that the cloud covers.
    """
    low, high = np.percentile(coord[:, 2], (0.5, 99.5))
    top = coord[coord[:, 2] > high - 0.1 * (high - low)]
    if high - low < 1.0 or _ground(top) < 0.5 * _ground(coord):
        return float(coord[:, 2].max()) + 1e-3
    return float(high - 0.17 * (high - low))  # lamps and pipes hang below the ceiling itself


def inside(coord: np.ndarray, azimuth: float, keep: float = 0.12, depth: float = 0.3) -> np.ndarray:
    """Mask (P,) of the points left: below the ceiling, and no high point on the side nearest to the camera.

    ``azimuth`` (degrees) is where the camera stands. Of what lies within ``depth`` meters of the near edge of the
    ground plan only the lowest ``keep`` of the height stays, so that a near wall becomes a kerb. A cloud without a
    ceiling is left whole.
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
    last = np.cumsum(np.bincount(strip)) - 1  # a few points outside a window must not count as the edge
    first = np.append(0, last[:-1] + 1)
    edge = toward[order][np.maximum(last - (last - first + 1) // 50, first).clip(0, len(coord) - 1)]
    floor = np.percentile(coord[:, 2], 0.5)
    near = toward > edge[strip] - depth
    return (coord[:, 2] < cut) & ~(near & (coord[:, 2] > floor + keep * (cut - floor)))


def _ground(coord: np.ndarray) -> int:
    """Number of 0.25 m squares of the ground that points stand over."""
    if len(coord) == 0:
        return 0
    x, y = np.floor((coord[:, :2] - coord[:, :2].min(axis=0)) / 0.25).astype(np.int64).T
    squares = np.sort(x * (y.max() + 1) + y)
    return 1 + int(np.count_nonzero(squares[1:] != squares[:-1]))
