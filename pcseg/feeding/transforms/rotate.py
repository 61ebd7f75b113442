"""Turn a cloud about the vertical, or tilt it a little."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pcseg.scenes.points import Points


@dataclass(frozen=True)
class RotateZ:
    """Rotate about the vertical axis by an angle drawn from +-``degrees``."""

    degrees: float = 180.0

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        return points.mapped(_rotation(2, rng.uniform(-self.degrees, self.degrees)))


@dataclass(frozen=True)
class Tilt:
    """Rotate about the x and then the y axis, by angles drawn from +-``degrees`` (a few: floors stay below)."""

    degrees: float = 3.0

    def __call__(self, points: Points, rng: np.random.Generator) -> Points:
        about_x, about_y = rng.uniform(-self.degrees, self.degrees, 2)
        return points.mapped(_rotation(1, about_y) @ _rotation(0, about_x))


def _rotation(axis: int, degrees: float) -> np.ndarray:
    """Rotation matrix (3, 3) about a coordinate axis, counter-clockwise seen from its tip."""
    angle = math.radians(degrees)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = math.cos(angle)
    matrix[first, second], matrix[second, first] = -math.sin(angle), math.sin(angle)
    return matrix
