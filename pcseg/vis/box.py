"""Where a view looks: the part of a cloud that holds nearly all of it, since a stray must not decide the camera."""

from __future__ import annotations

import numpy as np

from pcseg.scenes.bulk import bulk
from pcseg.scenes.origin import strays

SAMPLE = 500_000
"""Points from which percentiles are taken; more say no more."""


def far_away(coord: np.ndarray) -> np.ndarray:
    """Mask (P,) of the points of ``coord`` (P, 3), finite, that no picture can show together with all the others.

    An empty space parts them from the bulk: of twice its size where they are at most one point in twenty, else of twenty
    times its size and one that preparing a scan would tell of (see :func:`pcseg.scenes.origin.strays`). Fewer than twenty
    points have no bulk.
    """
    if len(coord) < 20:
        return np.zeros(len(coord), dtype=bool)
    apart = strays(coord)
    low, high = _percentiles(coord[~apart], 5, 95)
    size = max(float((high - low).max()), 1e-3)
    away = ~bulk(coord, 2 * size)
    return away if 20 * away.sum() <= len(coord) else apart & ~bulk(coord, 20 * size)


def core(coord: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner (3,) of the box to look at: all of ``coord`` (P, 3) but its most outlying points.

    A corner lies a twentieth of the extent beyond the 0.1st percentile, but no further from the 5th than half of the size
    of the cloud, and never beyond the points.
    """
    inner, outer = _percentiles(coord, 5, 95), _percentiles(coord, 0.1, 99.9)
    margin, reach = 0.05 * (outer[1] - outer[0]), 0.5 * float((inner[1] - inner[0]).max())
    low = np.maximum(np.maximum(outer[0] - margin, inner[0] - reach), coord.min(axis=0))
    high = np.minimum(np.minimum(outer[1] + margin, inner[1] + reach), coord.max(axis=0))
    return low.astype(np.float64), high.astype(np.float64)


def _percentiles(coord: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    sample = np.asarray(coord[:: -(-len(coord) // SAMPLE)], np.float64)
    ends = np.percentile(sample, (low, high), axis=0)
    return ends[0], ends[1]
