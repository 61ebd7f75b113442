"""Colors of what is no class: unknown points, right and wrong predictions, and numbers such as heights."""

from __future__ import annotations

import numpy as np

UNKNOWN = (128, 132, 140)
"""Color of a point whose class is unknown."""
RIGHT, WRONG = (205, 209, 216), (215, 25, 40)
"""Colors of a right and of a wrong prediction; gray and red also part in lightness, for the color-blind."""


def ramp(value: np.ndarray) -> np.ndarray:
    """Colors (P, 3) uint8 of values in [0, 1]: dark violet through teal to light yellow, ever lighter."""
    stops = np.array([(68, 20, 95), (58, 82, 139), (33, 145, 140), (94, 201, 98), (240, 230, 80)], np.float64)
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(value, at, stops[:, c]) for c in range(3)], axis=1).round().astype(np.uint8)


def gray(value: np.ndarray) -> np.ndarray:
    """Colors (P, 3) uint8 of values in [0, 1], as of a photograph without colors: dark to light gray."""
    return np.repeat((30 + 215 * np.asarray(value, np.float64)).round().astype(np.uint8)[:, None], 3, axis=1)


def spread(values: np.ndarray) -> tuple[float, float]:
    """The range that nearly all of ``values`` (P,) are in: their 1st and 99th percentile, so that strays do not decide."""
    low, high = np.percentile(values, (1, 99))
    return float(low), float(high)


def fraction(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """``values`` (P,) from ``low`` to ``high`` as 0 to 1, what is beyond as the nearer of those."""
    return np.clip((np.asarray(values, np.float64) - low) / max(high - low, 1e-9), 0, 1)
