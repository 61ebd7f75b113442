"""Colors of points without a class, of right and wrong predictions, and of numbers such as heights."""

from __future__ import annotations

import numpy as np

UNKNOWN = (128, 132, 140)
"""Color of a point whose class is unknown."""
RIGHT, WRONG = (205, 209, 216), (215, 25, 40)
"""Colors of right and wrong predictions; gray and red also differ in lightness, for color-blind readers."""


def ramp(value: np.ndarray) -> np.ndarray:
    """Return colors (P, 3) uint8 of values (P,) in [0, 1]: dark violet, teal, light yellow, with rising lightness."""
    stops = np.array([(68, 20, 95), (58, 82, 139), (33, 145, 140), (94, 201, 98), (240, 230, 80)], np.float64)
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(value, at, stops[:, c]) for c in range(3)], axis=1).round().astype(np.uint8)


def gray(value: np.ndarray) -> np.ndarray:
    """Return colors (P, 3) uint8 of values (P,) in [0, 1]: dark to light gray."""
    return np.repeat((30 + 215 * np.asarray(value, np.float64)).round().astype(np.uint8)[:, None], 3, axis=1)


def spread(values: np.ndarray) -> tuple[float, float]:
    """Return the 1st and the 99th percentile of ``values`` (P,): a range that a few outliers do not change."""
    low, high = np.percentile(values, (1, 99))
    return float(low), float(high)


def fraction(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return ``values`` (P,) scaled so that ``low`` is 0 and ``high`` is 1, clipped to [0, 1], as float64."""
    return np.clip((np.asarray(values, np.float64) - low) / max(high - low, 1e-9), 0, 1)
