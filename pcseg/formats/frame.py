"""One posed RGB-D frame: its pose, its cameras, and pictures that are decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.intrinsics import implied_size, rescaled


@dataclass(frozen=True)
class Sensor:
    """A camera without a place: its matrix ``intrinsic`` (3, 3), in pixels of pictures of ``size`` (H, W).

    None where that is not known: then the principal point must tell it.
    """

    intrinsic: np.ndarray
    size: tuple[int, int] | None

    def of(self, size: tuple[int, int], where: str) -> np.ndarray:
        """Return the matrix (3, 3) for pictures of another ``size``; InputError, named ``where``, for another shape."""
        own = implied_size(self.intrinsic, size, where) if self.size is None else self.size
        return rescaled(self.intrinsic, own, size, where)


@dataclass(frozen=True)
class Frame:
    """A frame of a scene; ``where`` names it in messages.

    ``pose`` (4, 4) float64: camera to world, x right, y down, z forward, in meters; of both cameras. ``color_sensor``
    and ``depth_sensor`` are the two cameras. ``read_color`` and ``read_depth`` decode the pictures; None where it has
    none.
    """

    name: str
    where: str
    pose: np.ndarray
    color_sensor: Sensor | None
    depth_sensor: Sensor | None
    read_color: Callable[[], np.ndarray] | None
    read_depth: Callable[[], np.ndarray] | None

    @property
    def tracked(self) -> bool:
        """Whether the place of the camera is known: the pose of a frame whose tracking was lost is NaN or infinite."""
        return bool(np.isfinite(self.pose).all())

    @cached_property
    def color(self) -> np.ndarray | None:
        """The colors (H, W, 3) uint8."""
        return self.read_color() if self.read_color else None

    @cached_property
    def depth(self) -> np.ndarray | None:
        """The depths (H, W) float32 in meters, along z; 0 where unknown."""
        return self.read_depth() if self.read_depth else None

    @property
    def color_intrinsic(self) -> np.ndarray | None:
        """The camera matrix (3, 3) of ``color``; None where there is no such picture."""
        return self._intrinsic(self.color_sensor, self.color, "color")

    @property
    def depth_intrinsic(self) -> np.ndarray | None:
        """The camera matrix (3, 3) of ``depth``; None where there is no such picture."""
        return self._intrinsic(self.depth_sensor, self.depth, "depth")

    def intrinsic(self, size: tuple[int, int], where: str = "") -> np.ndarray:
        """Return the camera matrix (3, 3) of a picture of ``size`` (H, W) that shows what the color picture does.

        Of a scene without that camera it is the one of depths. Raises InputError, which begins with ``where``, for a
        picture of another shape.
        """
        sensor = self.color_sensor or self.depth_sensor
        if sensor is None:
            raise InputError(f"{self.where}: no intrinsic/intrinsic_color.txt beside it; write its camera matrix there")
        return sensor.of(size, where or self.where)

    def _intrinsic(self, sensor: Sensor | None, picture: np.ndarray | None, kind: str) -> np.ndarray | None:
        if sensor is None or picture is None:
            return None
        return sensor.of((picture.shape[0], picture.shape[1]), f"{self.where}: {kind}")
