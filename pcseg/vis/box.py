"""Find the box that holds nearly all of a cloud, so that single distant points do not decide where a camera stands."""

from __future__ import annotations

import numpy as np

from pcseg.scenes.bulk import bulk
from pcseg.scenes.origin import strays

SAMPLE = 500_000
"""Points from which percentiles are computed; more points change them little."""


def far_away(coord: np.ndarray) -> np.ndarray:
    """Return the mask (P,) of the points of ``coord`` (P, 3), finite, too far away to share a picture with the bulk.

    If they are at most 5 % of the points, an empty space of twice the size of the bulk separates them from it. If they
    are more, the space is 20 times that size and they are strays (:func:`pcseg.scenes.origin.strays`) too. Of fewer
    than 20 points none is far away.
    """
    if len(coord) < 20:
        return np.zeros(len(coord), dtype=bool)
    stray = strays(coord)
    low, high = _percentiles(coord[~stray], 5, 95)
    size = max(float((high - low).max()), 1e-3)
    away = ~bulk(coord, 2 * size)
    return away if 20 * away.sum() <= len(coord) else stray & ~bulk(coord, 20 * size)


def core(coord: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest corner (3,) of the box to look at: ``coord`` (P, 3) without its outliers.

    Along each axis the box reaches from the 0.1st to the 99.9th percentile plus 5 % of that length at either end, but
    at most half of the cloud's size beyond the 5th and 95th percentiles, and never beyond the points.
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
