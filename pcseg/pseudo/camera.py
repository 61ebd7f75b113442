"""A pinhole camera: from points to pixels, and from a picture of depths back to points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.intrinsics import check_intrinsic, check_pose, rescaled


@dataclass(frozen=True)
class Camera:
    """A camera at a place: ``intrinsic`` (3, 3) in pixels, ``pose`` (4, 4) camera to world, ``size`` (H, W).

    x is to the right, y down and z forward; depth is z, in meters. Pixels are (row, column); the center of a pixel has
    whole coordinates, so the picture reaches from -0.5 to H - 0.5. Raises InputError for matrices that are none of a
    camera: a pose with NaN or infinity (tracking was lost), no rotation, a focal length of 0.
    """

    intrinsic: np.ndarray
    pose: np.ndarray
    size: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "intrinsic", check_intrinsic(self.intrinsic, "camera"))
        object.__setattr__(self, "pose", check_pose(self.pose, "camera"))
        if not np.isfinite(self.pose).all():
            raise InputError("camera: its pose holds NaN or infinity, tracking was lost; leave this frame out")
        if len(self.size) != 2 or min(self.size) < 1:
            raise InputError(f"camera: size={self.size}; give rows and columns of its picture, each 1 or more")

    @property
    def focal(self) -> float:
        """The focal length in pixels; the larger one where they differ."""
        return float(max(self.intrinsic[0, 0], self.intrinsic[1, 1]))

    def of_size(self, size: tuple[int, int]) -> Camera:
        """Return the same camera with pictures of another size; raises InputError where the aspect differs."""
        if size == self.size:
            return self
        return Camera(rescaled(self.intrinsic, self.size, size, "camera"), self.pose, size)


def project(camera: Camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (P, 2) float64, row and column, and depths (P,) float64 in meters of ``points`` (P, 3).

    Points may be outside the picture. Those behind the camera have a depth of 0 or less, and NaN for their pixel.
    """
    seen = (np.asarray(points, dtype=np.float64) - camera.pose[:3, 3]) @ camera.pose[:3, :3]
    depth = seen[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        plane = seen[:, :2] / np.where(depth > 0, depth, np.nan)[:, None]
    return (plane @ camera.intrinsic[:2, :2].T + camera.intrinsic[:2, 2])[:, ::-1], depth


def pixels_of(camera: Camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``rows`` (n,) int64 of the points (P, 3) in the picture, seen or hidden, their pixels (n, 2) int64 and
    depths (n,) float64.
    """
    place, depth = project(camera, points)
    with np.errstate(invalid="ignore"):  # NaN, behind the camera, is in no picture
        inside = (place >= -0.5).all(axis=1) & (place < np.array(camera.size) - 0.5).all(axis=1)
    rows = np.flatnonzero(inside)
    return rows, np.floor(place[rows] + 0.5).astype(np.int64), depth[rows]


def backproject(camera: Camera, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (n, 3) float64 of the pixels of ``depth`` (H, W) in meters, and those pixels (n, 2) int64.

    Row by row; pixels without a depth, 0 or not finite, are left out.
    """
    depth = np.asarray(depth)
    if depth.shape != camera.size:
        raise InputError(f"depth: a picture of {depth.shape} for a camera of {camera.size}; give one of its size")
    pixels = np.argwhere(np.isfinite(depth) & (depth > 0))
    z = depth[pixels[:, 0], pixels[:, 1]].astype(np.float64)
    plane = (pixels[:, ::-1] - camera.intrinsic[:2, 2]) @ np.linalg.inv(camera.intrinsic[:2, :2]).T
    return np.column_stack([plane * z[:, None], z]) @ camera.pose[:3, :3].T + camera.pose[:3, 3], pixels
