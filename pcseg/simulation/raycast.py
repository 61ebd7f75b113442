"""Cast a grid of rays from one point against all solids, and find the first hit and its distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pcseg.simulation.solids import CORNERS, Solids, entry, rotate

Rays = tuple[np.ndarray, np.ndarray, np.ndarray]
_EDGES = np.array([[i, j] for i in range(8) for j in range(i) if np.abs(CORNERS[i] - CORNERS[j]).sum() == 2])


class Grid(Protocol):
    """Rays of a (H, W) grid from one point, with a bound on the rays that can hit a solid."""

    origin: np.ndarray
    rays: Rays

    def windows(self, corners: np.ndarray) -> np.ndarray:
        """Return rows and columns [row0, row1, col0, col1) (S, 4) that may hit the hulls of ``corners`` (S, 8, 3)."""


class Panorama:
    """Rays in all directions, each random in its cell; all cells have the same solid angle.

    Rows are equal steps of the sine of the elevation between ``low`` and ``high``, columns equal steps of azimuth, so
    that the density of hits falls with the square of the distance. ``rng=None`` takes the center of each cell.
    """

    def __init__(
        self, origin: np.ndarray, shape: tuple[int, int], low: float, high: float, rng: np.random.Generator | None
    ):
        self.origin, self.shape, self.low = origin, shape, low
        self.row, self.column = (high - low) / shape[0], 2 * np.pi / shape[1]
        inside = np.full((2, *shape), 0.5) if rng is None else rng.random((2, *shape))
        sine = low + (np.arange(shape[0])[:, None] + inside[0]) * self.row
        azimuth = (np.arange(shape[1])[None, :] + inside[1]) * self.column
        level = np.sqrt(np.maximum(1 - sine * sine, 0))
        x, y, z = level * np.cos(azimuth), level * np.sin(azimuth), sine
        self.rays: Rays = (x.astype(np.float32), y.astype(np.float32), z.astype(np.float32))

    def windows(self, corners: np.ndarray) -> np.ndarray:
        """See Grid. The columns may reach below 0 or beyond W, since the panorama is closed."""
        offset = corners - self.origin
        low, high = offset.min(axis=1), offset.max(axis=1)
        nearest = np.hypot(*np.maximum(np.maximum(low, -high), 0)[:, :2].T)
        farthest = np.hypot(offset[..., 0], offset[..., 1]).max(axis=1)
        rise, fall = high[:, 2], low[:, 2]
        top = rise / np.maximum(np.hypot(rise, np.where(rise > 0, nearest, farthest)), 1e-9)
        bottom = fall / np.maximum(np.hypot(fall, np.where(fall < 0, nearest, farthest)), 1e-9)
        azimuth = np.arctan2(offset[..., 1], offset[..., 0])
        middle = np.arctan2(offset[..., 1].mean(axis=1), offset[..., 0].mean(axis=1))
        side = (azimuth - middle[:, None] + np.pi) % (2 * np.pi) - np.pi
        around = side.max(axis=1) - side.min(axis=1) > 0.98 * np.pi  # the hull surrounds the origin, or nearly so
        left = np.where(around, 0, np.floor((middle + side.min(axis=1)) / self.column) - 1)
        right = np.where(around, self.shape[1], np.ceil((middle + side.max(axis=1)) / self.column) + 1)
        rows = [np.floor((bottom - self.low) / self.row) - 1, np.ceil((top - self.low) / self.row) + 1]
        rows = [np.clip(r, 0, self.shape[0]) for r in rows]
        return np.stack([*rows, left, np.minimum(right, left + self.shape[1])], axis=1).astype(np.int64)

    def cell(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return row and column of unit directions (P, 3), clipped to the grid."""
        row = np.clip((directions[:, 2] - self.low) / self.row, 0, self.shape[0] - 1).astype(np.int64)
        azimuth = np.arctan2(directions[:, 1], directions[:, 0]) % (2 * np.pi)
        return row, np.clip(azimuth / self.column, 0, self.shape[1] - 1).astype(np.int64)


class Pinhole:
    """The pixels of a camera; a ray's length to a hit is the pixel's depth, since the directions have z = 1.

    ``pose`` (4, 4) camera to world, x right, y down, z forward; ``intrinsic`` (3, 3); a pixel's center has integer
    coordinates.
    """

    near = 0.02

    def __init__(self, pose: np.ndarray, intrinsic: np.ndarray, shape: tuple[int, int]):
        self.origin, self.rotation, self.intrinsic, self.shape = pose[:3, 3], pose[:3, :3], intrinsic, shape
        x = (np.arange(shape[1]) - intrinsic[0, 2]) / intrinsic[0, 0]
        y = (np.arange(shape[0]) - intrinsic[1, 2]) / intrinsic[1, 1]
        camera = np.stack(np.broadcast_arrays(x[None, :], y[:, None], np.ones(shape)), axis=-1)
        world = rotate(self.rotation, camera).astype(np.float32)
        self.rays: Rays = tuple(np.ascontiguousarray(world[..., axis]) for axis in range(3))  # type: ignore[assignment]

    def windows(self, corners: np.ndarray) -> np.ndarray:
        """See Grid: the hull in front of the near plane is that of its corners there and of the crossings of its
        edges.
        """
        camera = rotate(self.rotation.T, corners - self.origin)
        start, end = camera[:, _EDGES[:, 0]], camera[:, _EDGES[:, 1]]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (self.near - start[..., 2]) / (end[..., 2] - start[..., 2])
            crossing = start + np.where((share > 0) & (share < 1), share, np.nan)[..., None] * (end - start)
        ends = np.concatenate([np.where(camera[..., 2:] >= self.near, camera, np.nan), crossing], axis=1)
        depth = np.maximum(ends[..., 2], self.near)
        bounds = []
        for axis in (1, 0):
            place = ends[..., axis] / depth * self.intrinsic[axis, axis] + self.intrinsic[axis, 2]
            first = np.where(np.isnan(place), np.inf, place).min(axis=1)
            last = np.where(np.isnan(place), -np.inf, place).max(axis=1)
            size = self.shape[0 if axis == 1 else 1]
            bounds += [np.clip(np.floor(first), 0, size), np.clip(np.ceil(last) + 1, 0, size)]
        return np.stack(bounds, axis=1).astype(np.int64)


@dataclass(frozen=True)
class Hits:
    """The first hit of each ray of a (H, W) grid: ``distance`` in ray lengths (inf: nothing), ``solid`` (-1:
    nothing).
    """

    distance: np.ndarray
    solid: np.ndarray


def cast(solids: Solids, grid: Grid) -> Hits:
    """Intersect every ray with every solid it can hit, and keep the nearest entry."""
    rows, columns = grid.rays[0].shape
    distance = np.full((rows, columns), np.inf, dtype=np.float32)
    solid = np.full((rows, columns), -1, dtype=np.int32)
    offset = (grid.origin - solids.center)[:, None, :]
    origins = (solids.rotation.transpose(0, 2, 1) * offset).sum(axis=-1) / solids.half
    for s, (row0, row1, col0, col1) in enumerate(grid.windows(solids.corners())):
        for first, last in ((col0, col1), (col0 + columns, col1 + columns), (col0 - columns, col1 - columns)):
            first, last = max(first, 0), min(last, columns)
            if row0 >= row1 or first >= last:
                continue
            window = np.s_[row0:row1, first:last]
            x, y, z = grid.rays
            t = entry(
                solids.kind[s], solids.inward[s], origins[s].astype(np.float32), (x[window], y[window], z[window])
            )
            closer = t < distance[window]
            np.copyto(distance[window], t, where=closer)
            np.copyto(solid[window], s, where=closer)
    return Hits(distance, solid)
