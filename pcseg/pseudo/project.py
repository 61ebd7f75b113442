"""Between points and pictures: which points a camera sees, and points drawn as pictures of labels or colors."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, minimum_filter

from pcseg.classes import IGNORE
from pcseg.defaults import DEPTH_TOLERANCE
from pcseg.errors import InputError
from pcseg.ops import knn
from pcseg.pseudo.camera import Camera, backproject, pixels_of

TOLERANCE = DEPTH_TOLERANCE

_SLACK = 3.0
"""Farthest that a seen point is behind the depth drawn from points, in spacings, beside TOLERANCE."""

_HALVES = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32])
"""Pixels that the square of a point may reach to each side."""


def visible(
    camera: Camera,
    points: np.ndarray,
    depth: np.ndarray | None = None,
    tolerance: float = TOLERANCE,
    spacing: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``rows`` (n,) int64 of the points (P, 3) that ``camera`` sees, ascending, and their pixels (n, 2) int64.

    With ``depth`` (H, W) in meters, 0 where unknown: those in the picture whose own depth differs from that of their
    pixel by at most ``tolerance`` times it. Where the depth is unknown, nothing is seen. Without it: those that are
    behind no other point's square (:func:`depth_buffer`) by more than ``tolerance`` and three spacings, which a tilted
    surface needs. ``spacing`` (P,): that of :func:`point_spacing`, which is computed if it is not given.
    """
    if depth is None and spacing is None:
        spacing = point_spacing(points)
    rows, pixels, _, _ = _seen(camera, points, depth, tolerance, spacing)
    return rows, pixels


def depth_buffer(camera: Camera, points: np.ndarray, spacing: np.ndarray | None = None) -> np.ndarray:
    """Return the depth (H, W) float64 of the nearest point (P, 3) at each pixel, in meters, infinite where none is.

    A point covers the square around its pixel that reaches as far as its spacing does at its depth, rounded to the
    nearest of a few numbers of pixels up to 32: of a surface with points at random, about 2 % is not covered.
    """
    rows, pixels, z = pixels_of(camera, points)
    spacing = point_spacing(points) if spacing is None else spacing
    return _buffer(camera, pixels, z, spacing[rows])


def render(
    camera: Camera,
    points: np.ndarray,
    values: np.ndarray,
    empty: float = IGNORE,
    depth: np.ndarray | None = None,
    tolerance: float = TOLERANCE,
    spacing: np.ndarray | None = None,
) -> np.ndarray:
    """Return ``values`` (P, ...) of the points (P, 3) as a picture (H, W, ...), ``empty`` where no point is drawn.

    Which point is drawn where: :func:`nearest_points`, which takes the same arguments.
    """
    row = nearest_points(camera, points, depth, tolerance, spacing)
    if not len(points):
        return np.full((*row.shape, *np.shape(values)[1:]), empty, dtype=np.asarray(values).dtype)
    picture = np.asarray(values)[row]
    picture[row < 0] = empty
    return picture


def nearest_points(
    camera: Camera,
    points: np.ndarray,
    depth: np.ndarray | None = None,
    tolerance: float = TOLERANCE,
    spacing: np.ndarray | None = None,
) -> np.ndarray:
    """Return the number (H, W) int64 of the point (P, 3) that is drawn at each pixel, -1 for none.

    Only points that are :func:`visible` are drawn, the nearest at each pixel. A pixel without one has that of the
    nearest pixel with one, if this is no farther than the spacing of the point, and if its depth is the one here:
    that of the picture ``depth``, or of the points, within the bounds of ``visible``. ``depth`` of another camera goes
    through :func:`warp_depth` first.
    """
    spacing = point_spacing(points) if spacing is None else spacing
    rows, pixels, z, surface = _seen(camera, points, depth, tolerance, spacing)
    row, near = np.full(camera.size, -1), np.full(camera.size, np.inf)
    if not len(rows):
        return row
    order = np.argsort(-z, kind="stable")  # far to near: the last one written into a pixel is the nearest
    at = tuple(pixels[order].T)
    row[at], near[at] = rows[order], z[order]
    away, (i, j) = distance_transform_edt(row < 0, return_indices=True)
    other, z = row[i, j], near[i, j]
    reach = np.maximum(camera.focal * spacing[other] / z, 1)
    fits = np.abs(z - surface) <= tolerance * z + _SLACK * spacing[other]
    return np.where((away <= reach) & (fits | (away == 0)), other, -1)


def warp_depth(depth: np.ndarray, depth_camera: Camera, camera: Camera) -> np.ndarray:
    """Return ``depth`` (h, w) in meters, taken by ``depth_camera``, as ``camera`` sees it (H, W) float32; 0 if unknown.

    Each pixel covers as much of the picture as it is wide at its depth. So a color picture gets the depths of another
    camera.
    """
    points, pixels = backproject(depth_camera, depth)
    half = 0.49 * depth[pixels[:, 0], pixels[:, 1]] / depth_camera.focal  # of a pixel, so that cameras of one size
    found = depth_buffer(camera, points, half)  # give one pixel for one
    return np.where(np.isfinite(found), found, 0).astype(np.float32)


def point_spacing(points: np.ndarray) -> np.ndarray:
    """Return for each point (P, 3) the distance (P,) float64 in meters to its third neighbor, at most thrice the
    median.
    """
    place = torch.from_numpy(np.array(points, dtype=np.float64))
    distance = knn(place, place, 4)[1][:, -1].numpy() if len(place) else np.zeros(0)
    known = distance[np.isfinite(distance)]  # of fewer than four points it is infinite
    return np.minimum(distance, 3 * float(np.median(known)) if len(known) else 0.0)


def _seen(
    camera: Camera, points: np.ndarray, depth: np.ndarray | None, tolerance: float, spacing: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows (n,), pixels (n, 2) and depths (n,) of the visible points, and the depth (H, W) of the surface,
    infinite where unknown. ``spacing`` may be None if there is a ``depth``.
    """
    rows, pixels, z = pixels_of(camera, points)
    if depth is None:
        assert spacing is not None
        surface = _buffer(camera, pixels, z, spacing[rows])
        seen = z <= surface[pixels[:, 0], pixels[:, 1]] * (1 + tolerance) + _SLACK * spacing[rows]
    elif depth.shape != camera.size:
        raise InputError(f"depth: a picture of {depth.shape} for a camera of {camera.size}; give one of its size")
    else:
        surface = np.where(np.isfinite(depth) & (depth > 0), depth, np.inf)
        here = surface[pixels[:, 0], pixels[:, 1]]
        seen = np.isfinite(here) & (np.abs(z - here) <= tolerance * here)
    return rows[seen], pixels[seen], z[seen], surface


def _buffer(camera: Camera, pixels: np.ndarray, z: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Return the picture of ``depth_buffer`` of points in it, given their pixels (n, 2) and depths (n,)."""
    reach = np.minimum(camera.focal * spacing / z, _HALVES[-1])
    half = np.searchsorted((_HALVES[1:] + _HALVES[:-1]) / 2, reach)
    buffer = np.full(camera.size, np.inf)
    order = np.argsort(-z, kind="stable")  # far to near: the last one written into a pixel is the nearest
    for size in np.unique(half):
        chosen = order[half[order] == size]
        layer = np.full(camera.size, np.inf)
        layer[pixels[chosen, 0], pixels[chosen, 1]] = z[chosen]
        np.minimum(buffer, minimum_filter(layer, 2 * _HALVES[size] + 1, mode="constant", cval=np.inf), out=buffer)
    return buffer
