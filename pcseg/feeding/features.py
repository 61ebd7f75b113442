"""The input features of a network, declared by name and computed alike in training and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pcseg.errors import InputError
from pcseg.feeding.points import Points

WIDTHS = {"color": 3, "optional_color": 3, "height": 1, "normal": 3, "ones": 1}
"""Channels of each feature."""


LARGEST_NORMAL = 1e4
"""Components of normals from here on are no lengths but "no data"; like NaN they count as 0, lest a point spoil others."""


@dataclass(frozen=True)
class Features:
    """An ordered list of features; a checkpoint stores ``names`` and rebuilds this from it.

    ``color``: rgb / 255 - 0.5, the habit of MinkowskiEngine's networks; a scan without color is an error.
    ``optional_color``: the same, but zeros (middle gray) for a scan without color; train it with the transform
    ColorDrop, which shows the network such scans. ``height``: meters above the floor of the scan. ``normal``: unit
    normals; a scan without them is an error. ``ones``: a constant.
    """

    names: tuple[str, ...]

    def __init__(self, names: Sequence[str]) -> None:
        object.__setattr__(self, "names", tuple(names))
        for name in self.names:
            if name not in WIDTHS:
                raise InputError(f"feature '{name}' is not one of: {', '.join(WIDTHS)}")
        if not self.names or len(set(self.names)) != len(self.names):
            raise InputError(f"features {list(self.names)}: name at least one, and each once")
        if {"color", "optional_color"} <= set(self.names):
            raise InputError("features: color and optional_color exclude each other; keep one")

    @property
    def width(self) -> int:
        """Number of channels F: the network's ``in_channels``."""
        return sum(WIDTHS[name] for name in self.names)

    def check(self, scan: str, has_color: bool, has_normal: bool) -> None:
        """Raise InputError, naming ``scan``, if it lacks what the features need."""
        if "color" in self.names and not has_color:
            raise InputError(f"{scan}: has no color, which the feature 'color' needs; train with 'optional_color'")
        if "normal" in self.names and not has_normal:
            raise InputError(f"{scan}: has no normals, which the feature 'normal' needs; leave it out or add them")

    def __call__(self, points: Points) -> np.ndarray:
        """Features (N, F) float32 of N points."""
        self.check("points", points.color is not None, points.normal is not None)
        return np.concatenate([self._column(name, points) for name in self.names], axis=1, dtype=np.float32)

    def _column(self, name: str, points: Points) -> np.ndarray:
        if name == "height":
            return points.height[:, None]
        if name == "ones":
            return np.ones((len(points), 1), dtype=np.float32)
        if name == "normal":
            assert points.normal is not None
            return np.where(np.abs(points.normal) < LARGEST_NORMAL, points.normal, np.float32(0))
        return np.zeros((len(points), 3), dtype=np.float32) if points.color is None else points.color - np.float32(0.5)
