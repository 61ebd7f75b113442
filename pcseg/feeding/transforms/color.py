"""Vary the colors of a cloud; one without color stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcseg.scenes.places import column_bounds
from pcseg.scenes.points import Points


@dataclass(frozen=True)
class AutoContrast:
    """Blend, by a share drawn from [0, 1], with colors stretched so that each channel spans [0, 1]."""

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        share = np.float32(rng.random())
        if points.color is None:
            return points
        low, high = column_bounds(points.color)
        stretched = (points.color - low) / np.maximum(high - low, np.float32(1 / 255))
        return points.having(color=(1 - share) * points.color + share * stretched)


@dataclass(frozen=True)
class ColorShift:
    """Add to each channel, for the whole cloud, a value drawn from +-``amount`` (colors run from 0 to 1)."""

    amount: float = 0.05

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        shift = rng.uniform(-self.amount, self.amount, 3).astype(np.float32)
        return points if points.color is None else points.having(color=np.clip(points.color + shift, 0, 1))


@dataclass(frozen=True)
class ColorJitter:
    """Add normal noise of ``sigma`` to each point and channel."""

    sigma: float = 0.02

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        noise = rng.standard_normal(points.coord.shape, dtype=np.float32) * np.float32(self.sigma)
        return points if points.color is None else points.having(color=np.clip(points.color + noise, 0, 1))


@dataclass(frozen=True)
class ColorDrop:
    """With probability ``p`` make the whole cloud middle gray, which equals ``optional_color`` without color."""

    p: float = 0.2

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        dropped = rng.random() < self.p
        return points if points.color is None or not dropped else points.having(color=np.full_like(points.color, 0.5))
