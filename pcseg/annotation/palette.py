"""Choose colors of classes that people tell apart whatever colors they see."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pcseg.class_colors import oklab

VISIONS = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}
"""What becomes of linear red, green and blue where one kind of cone is missing. Source: Machado, Oliveira, Fernandes
2009, "A physiologically-based model for simulation of color vision deficiency", severity 1."""

RESERVED = ((150, 150, 150), (255, 255, 255), (0, 0, 0))
"""Colors that no class gets: the gray of unlabeled points, the page, and the rims of marks."""

_FIRST = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
"""The first colors. Source: Okabe and Ito 2008, "Color universal design"."""


@lru_cache(maxsize=16)
def safe_colors(count: int) -> tuple[tuple[int, int, int], ...]:
    """Return ``count`` colors (red, green, blue), each as different as can be from those before it.

    The difference is the least of those in normal vision and in VISIONS. The same colors each time.
    """
    steps = np.linspace(0, 255, 12).round().astype(np.int64)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[(oklab(grid)[:, 0] > 0.4) & (oklab(grid)[:, 0] < 0.93)]
    places = _seen(grid)
    chosen = list(_FIRST[:count])
    distance = np.min([_away(places, color) for color in (*RESERVED, *chosen)], axis=0)
    while len(chosen) < count:
        r, g, b = grid[distance.argmax()].tolist()
        chosen.append((r, g, b))
        distance = np.minimum(distance, _away(places, chosen[-1]))
    return tuple(chosen)


def difference(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """Return how different two colors are to whoever sees the least difference; black and white are about 1 apart."""
    return float(_away(_seen(np.array([one])), other)[0])


def _away(places: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Return the least difference (N,) over all visions of ``places`` (V, N, 3) from a color."""
    found: np.ndarray = np.linalg.norm(places - _seen(np.array([color])), axis=2).min(axis=0)
    return found


def _seen(colors: np.ndarray) -> np.ndarray:
    """Return the places (V, N, 3) of colors (N, 3) as each vision sees them."""
    value = np.asarray(colors, dtype=np.float64) / 255
    linear = np.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)
    views = [np.asarray(colors, dtype=np.float64)]
    for matrix in VISIONS.values():
        mixed = np.clip(linear @ np.array(matrix).T, 0, 1)
        views.append(255 * np.where(mixed > 0.0031308, 1.055 * mixed ** (1 / 2.4) - 0.055, 12.92 * mixed))
    return np.stack([oklab(view) for view in views])
