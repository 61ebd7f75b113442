"""Make the points of a sample, which transforms take and return, of those of a scan."""

from __future__ import annotations

import numpy as np

from pcseg.classes import IGNORE
from pcseg.scenes.places import floor_level
from pcseg.scenes.points import Points


def make_points(points: Points, floor: float | None = None) -> Points:
    """Return points of a scan as transforms and features take them: coordinates and colors float32, with heights.

    ``color``, uint8 (P, 3) from 0 to 255, becomes 0 to 1. Without ``labels`` all are IGNORE. ``floor`` is the scan's
    floor_level; to be given where the points are only a part of the scan.
    """
    coord = np.asarray(points.coord, dtype=np.float32)
    attributes = dict(points.attributes)
    attributes.setdefault("labels", np.full(len(coord), IGNORE, dtype=np.int16))
    attributes["height"] = coord[:, 2] - np.float32(floor_level(coord) if floor is None else floor)
    if points.color is not None:
        attributes["color"] = np.asarray(points.color, dtype=np.float32) / np.float32(255)
    if points.normal is not None:
        attributes["normal"] = np.asarray(points.normal, dtype=np.float32)
    return Points(coord, attributes)
