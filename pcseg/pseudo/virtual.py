"""Cameras for scans without photographs: above them, straight down and oblique, or at places inside."""

from __future__ import annotations

import math

import numpy as np
import torch

from pcseg.checks import above_zero
from pcseg.errors import InputError
from pcseg.ops import knn
from pcseg.pseudo.camera import Camera
from pcseg.pseudo.project import point_spacing
from pcseg.scenes.places import floor_level

MOST_VIEWS = 10_000
"""Cameras for one scan."""

_AROUND = (-90.0, 0.0, 90.0, 180.0)
"""Directions in degrees, from x to y, in which oblique cameras stand."""

_GRID = 0.25
"""Meters between places that a station may be at."""

_FLOOR = 0.2
"""Meters from the level of the floor within which points are floor."""


def virtual_cameras(
    points: np.ndarray,
    size: tuple[int, int] = (480, 640),
    resolution: float | None = None,
    tilts: tuple[float, ...] = (0.0, 45.0),
    field: float = 60.0,
    overlap: float = 0.5,
) -> list[Camera]:
    """Return cameras above a scan of the open (P, 3), such as an airborne one, that look at each part of it.

    Targets are a grid whose pictures share ``overlap`` of their width and height, where there are points, at the
    height of the top 1 % of these. ``tilts`` in degrees: 0 is a camera straight down with north, y, at the top of its
    picture; others are four oblique cameras, from south, east, north and west. Each is as far from its target as makes
    a pixel there ``resolution`` meters, by default twice the median spacing, so that nearly all pixels have points.
    ``field`` in degrees: field of view along the width. Of a building leave out the ceiling, or see
    :func:`station_cameras`. Raises InputError for settings out of range, and for a grid of more than MOST_VIEWS views.
    """
    above_zero(**({} if resolution is None else {"resolution": resolution}), field=field)
    if not 0 <= overlap < 1 or not all(0 <= tilt < 90 for tilt in tilts) or field >= 180:
        raise InputError(f"overlap={overlap:g}, tilts={tilts}, field={field:g}: give 0 to 1, 0 to 90 and 0 to 180")
    points = np.asarray(points, dtype=np.float64)
    if not len(points):
        return []
    resolution = resolution or 2 * max(float(np.median(point_spacing(points))), 1e-3)
    intrinsic = _intrinsic(size, field)
    away = intrinsic[0, 0] * resolution
    foot = resolution * np.array(size[::-1])
    looks = [(azimuth, 90 - tilt) for tilt in tilts for azimuth in _AROUND[: 4 if tilt else 1]]
    targets = _targets(points, foot * (1 - overlap), foot, len(looks), f"resolution={resolution:g}")
    return [Camera(intrinsic, _pose(target, *look, away), size) for target in targets for look in looks]


def station_cameras(
    points: np.ndarray,
    size: tuple[int, int] = (480, 640),
    step: float = 2.0,
    height: float = 1.6,
    free: float = 0.4,
    field: float = 75.0,
) -> list[Camera]:
    """Return cameras at places inside a scanned room (P, 3), ten at each: eight around, 15 degrees down and up by
    turns, one straight down and one straight up.

    Places are ``height`` meters above the floor, where there is floor below: at least ``step`` meters from each other
    and ``free`` meters from all points, those farthest from points first. ``field`` in degrees: field of view along
    the width. Raises InputError for settings out of range, and for more than MOST_VIEWS views.
    """
    above_zero(step=step, height=height, free=free, field=field)
    points = np.asarray(points, dtype=np.float64)
    if not len(points):
        return []
    floor = floor_level(points)
    below = points[np.abs(points[:, 2] - floor) < _FLOOR, :2]
    places = (np.unique(np.floor(below / _GRID), axis=0) + 0.5) * _GRID
    eyes = np.column_stack([places, np.full(len(places), floor + height)])
    clear = knn(torch.from_numpy(eyes), torch.from_numpy(points), 1)[1][:, 0].numpy()
    looks = [(45.0 * turn, 15.0 * (-1) ** turn) for turn in range(8)] + [(-90.0, 90.0), (-90.0, -90.0)]
    chosen = np.zeros((0, 3))
    for eye in eyes[np.argsort(-clear, kind="stable")[: (clear >= free).sum()]]:
        if (((chosen - eye) ** 2).sum(axis=1) >= step**2).all():
            chosen = np.concatenate([chosen, eye[None]])
        if len(chosen) * len(looks) > MOST_VIEWS:
            raise InputError(f"step={step:g}: more than {MOST_VIEWS:,} views; raise it, or cut the scan into rooms")
    intrinsic = _intrinsic(size, field)
    return [Camera(intrinsic, _pose(eye, *look, 0.0), size) for eye in chosen for look in looks]


def _intrinsic(size: tuple[int, int], field: float) -> np.ndarray:
    focal = size[1] / 2 / math.tan(math.radians(field) / 2)
    return np.array([[focal, 0, (size[1] - 1) / 2], [0, focal, (size[0] - 1) / 2], [0, 0, 1]])


def _pose(target: np.ndarray, azimuth: float, elevation: float, away: float) -> np.ndarray:
    """Return the pose (4, 4) of a camera ``away`` meters from ``target`` (3,), in the direction of the two angles in
    degrees from there, that looks at it.
    """
    a, e = math.radians(azimuth), math.radians(elevation)
    back = np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
    right = np.array([-math.sin(a), math.cos(a), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, np.cross(-back, right), -back])
    pose[:3, 3] = target + away * back
    return pose


def _targets(points: np.ndarray, step: np.ndarray, foot: np.ndarray, looks: int, setting: str) -> list[np.ndarray]:
    """Return a grid of places (3,) with ``step`` (2,) between them, at the top 1 % of the points within ``foot`` (2,).

    Places without points are left out. Raises InputError, which begins with ``setting``, for a grid of more than
    MOST_VIEWS views, ``looks`` at each place.
    """
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    with np.errstate(all="ignore"):  # a step of almost 0 makes infinitely many
        count = np.maximum(np.ceil((high - low - foot) / step) + 1, 1)
        views = float(count.prod() * looks)
    if not views <= MOST_VIEWS:
        wide, deep = high - low
        raise InputError(
            f"{setting}: {views:,.0f} views of {wide:,.1f} x {deep:,.1f} m, more than {MOST_VIEWS:,}; raise "
            "resolution or size, lower overlap, give fewer tilts, or cut the scan into tiles"
        )
    edges = [
        middle + (np.arange(n) - (n - 1) / 2) * d for middle, n, d in zip((low + high) / 2, count, step, strict=True)
    ]
    found = []
    for x in edges[0]:
        column = points[np.abs(points[:, 0] - x) <= foot[0] / 2]
        for y in edges[1]:
            z = column[np.abs(column[:, 1] - y) <= foot[1] / 2, 2]
            if len(z):
                found.append(np.array([x, y, np.percentile(z, 99)]))
    return found
