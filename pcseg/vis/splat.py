"""Draw points without OpenGL: a perspective camera, discs with a z-buffer, and eye-dome lighting, in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    ``eye`` (3,): position in meters. ``axes`` (3, 3): its right, down and forward directions as rows. ``focal``: focal
    length in pixels. ``width`` and ``height``: size of the picture in pixels.
    """

    eye: np.ndarray
    axes: np.ndarray
    focal: float
    width: int
    height: int

    def project(self, coord: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return pixel positions (P, 2), x to the right and y down, and depths (P,) in meters of points (P, 3).

        Points behind the camera have a depth of 0 or less and a meaningless pixel position.
        """
        seen = (coord - self.eye) @ self.axes.T
        depth = seen[:, 2]
        safe = np.where(depth > 0, depth, 1.0)[:, None]
        return self.focal * seen[:, :2] / safe + (self.width / 2, self.height / 2), depth


def fit_camera(
    coord: np.ndarray, width: int, height: int, azimuth: float = 30.0, elevation: float = 50.0, view: float = 30.0
) -> Camera:
    """Return the nearest camera with all points ``coord`` (P, 3) in its picture, centered, with a margin of 3 %.

    ``azimuth`` and ``elevation`` (degrees): direction from the cloud to the camera. ``view`` (degrees): field of view
    along the longer side of the picture, which is ``width`` by ``height`` pixels.
    """
    a, e = np.radians(azimuth), np.radians(elevation)
    forward = -np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    axes = np.stack([right, np.cross(forward, right), forward])
    focal = 0.5 * max(width, height) / np.tan(np.radians(view) / 2)
    seen = np.asarray(coord, np.float64) @ axes.T
    # A point at (x, z) is in the picture if |x - eye_x| <= slope * (z - eye_z): two half planes per point, so the
    # nearest eye follows from two extremes per axis.
    slopes = 0.97 * np.array([width, height]) / 2 / focal
    low = (seen[:, :2] + slopes * seen[:, 2:]).min(axis=0)
    high = (seen[:, :2] - slopes * seen[:, 2:]).max(axis=0)
    eye_z = min(((low - high) / (2 * slopes)).min(), seen[:, 2].min() - 1e-3)
    if len(coord) == 1 or np.ptp(seen, axis=0).max() < 1e-6:
        eye_z = seen[:, 2].min() - 1.0
    return Camera(np.array([*(low + high) / 2, eye_z]) @ axes, axes, focal, width, height)


def surface(coord: np.ndarray, neighbors: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Return for each point of ``coord`` (P, 3) a disc radius (P,) in meters and a brightness (P,) in (0, 1].

    The radius is the distance to the fifth neighbor: discs of uniformly distributed points then leave exp(-5) of a
    surface uncovered. It is at most 3 times the median, so that isolated points stay small. The brightness is that of
    the plane fitted to the ``neighbors`` nearest points, lit by one lamp from above and the side, on both of its faces.
    """
    if len(coord) < 4:
        return np.full(len(coord), 0.02), np.ones(len(coord))
    ranks = np.arange(1, min(neighbors + 1, len(coord)) + 1)
    distance, index = (np.asarray(found) for found in cKDTree(coord).query(coord, k=ranks))
    fifth = distance[:, min(5, len(ranks) - 1)]
    radius = np.clip(fifth, 1e-4, max(3 * float(np.median(fifth)), 1e-4))
    spread = coord[index] - coord[index].mean(axis=1, keepdims=True)
    normal = np.linalg.eigh(np.einsum("pki,pkj->pij", spread, spread))[1][:, :, 0]
    lamp = np.array([0.42, 0.27, 0.87])
    return radius, 0.66 + 0.34 * np.abs(normal @ lamp)


def splat(camera: Camera, coord: np.ndarray, radius: np.ndarray, largest: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Draw each point of ``coord`` (P, 3) as a disc that faces the camera, nearer points in front.

    ``radius`` (P,) in meters; at most ``largest`` pixels in the picture, and a disc covers at least one pixel.
    Returns ``winner`` (height, width) int64, the index of the point at each pixel or -1, and ``depth`` (height, width)
    in meters, infinite where there is no point.
    """
    pixel, depth = camera.project(coord)
    size = np.minimum(camera.focal * radius / np.where(depth > 0, depth, 1.0), largest)
    order = np.argsort(-depth, kind="stable")  # far to near: the last one written into a pixel is the nearest
    order = order[depth[order] > 0]
    column, row = np.floor(pixel[order]).astype(np.int64).T
    size = size[order]
    winner = np.full(camera.height * camera.width, -1, np.int64)
    best = np.full(camera.height * camera.width, np.inf)
    step = np.arange(-largest, largest + 1)
    for dy, dx in sorted(((y, x) for y in step for x in step), key=lambda s: s[0] ** 2 + s[1] ** 2):
        wide = size >= np.hypot(dx, dy) if dx or dy else np.ones(len(order), bool)
        x, y = column + dx, row + dy
        inside = np.flatnonzero(wide & (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height))
        if not wide.any():
            break
        candidate = np.full(len(winner), -1, np.int64)
        candidate[y[inside] * camera.width + x[inside]] = order[inside]
        nearer = np.flatnonzero(candidate >= 0)
        nearer = nearer[depth[candidate[nearer]] < best[nearer]]
        winner[nearer] = candidate[nearer]
        best[nearer] = depth[candidate[nearer]]
    return winner.reshape(camera.height, -1), best.reshape(camera.height, -1)


def eye_dome(depth: np.ndarray, reach: tuple[int, ...] = (1, 2, 5), strength: float = 9.0) -> np.ndarray:
    """Return the brightness (height, width) in (0, 1] of a picture of depths: darker the deeper behind its neighbors.

    Source: Boucheny 2009, eye-dome lighting, exp(-strength * mean over neighbors of max(0, log2 z - log2 z')); here
    the mean runs over 8 directions at each distance of ``reach`` (pixels). It shows shape without normals.
    """
    log = np.where(np.isfinite(depth), np.log2(np.where(np.isfinite(depth), depth, 1.0)), np.inf)
    light = np.zeros_like(log)
    for away in reach:
        padded = np.pad(log, away, constant_values=np.inf)
        for dy in (0, away, 2 * away):
            for dx in (0, away, 2 * away):
                neighbor = padded[dy : dy + log.shape[0], dx : dx + log.shape[1]]
                with np.errstate(invalid="ignore"):
                    light += np.nan_to_num(np.clip(log - neighbor, 0, 0.3), nan=0.0)
    light = np.exp(-strength * light / (8 * len(reach)))
    return np.where(np.isfinite(depth), light, 1.0)
