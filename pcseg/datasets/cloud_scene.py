"""Make a scene of the points of a file: points without a place are dropped, the rest is moved near its origin."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.cloud import Cloud
from pcseg.formats.defects import Defect
from pcseg.scenes.origin import FAR, precision, recenter, strays
from pcseg.scenes.places import FARTHEST, usable
from pcseg.scenes.points import Points
from pcseg.scenes.scene import Scene

COARSE = 0.001
"""Loss of precision, in meters, from which it is reported."""


def to_scene(
    name: str, where: str, cloud: Cloud, attributes: Mapping[str, np.ndarray], classes: tuple[str, ...]
) -> tuple[Scene, list[Defect]]:
    """Return the scene of a cloud near its origin, without points whose coordinates stand for no place, and reports.

    ``attributes`` holds any of segment, instance, superpoint and further columns, each (P,). Reported are dropped
    points, strays, which are kept, and a loss of more than a millimeter to float32. Normals that are no finite
    numbers become zero. Raises InputError for a cloud of fewer than two points with a place: nothing can be learned or
    measured on it.
    """
    defects = list(cloud.defects)
    keep = usable(cloud.coord)
    if keep.sum() < 2:
        found = f"{len(cloud)} points, of which {int(keep.sum())} have finite coordinates (within {FARTHEST:g})"
        raise InputError(f"{where}: {found}; a scene needs at least 2, remove it or read it again")
    rows = np.arange(len(cloud))
    own = {name: array for name, array in (("color", cloud.color), ("normal", cloud.normal)) if array is not None}
    points = Points(cloud.coord, {**own, **attributes})
    if not keep.all():
        defects += _placeless(where, cloud.coord, keep)
        points, rows = points[keep], rows[keep]
    if points.normal is not None and not np.isfinite(points.normal).all():
        wrong = ~np.isfinite(points.normal).all(axis=1)
        found = f"{int(wrong.sum())} points have a normal that is no finite number (first: point {rows[wrong][0]})"
        defects.append(Defect(where, None, found, "made zero"))
        points = points.having(normal=np.where(wrong[:, None], np.float32(0), points.normal))
    far = strays(points.coord)
    coord, origin = recenter(points.coord, far)
    exact = precision(points.coord, coord, origin, far)
    defects += frame_defects(where, points.coord, rows, far, exact)
    return Scene(coord, points.attributes, name, origin, classes, exact), defects


def frame_defects(
    where: str, coord: np.ndarray, rows: np.ndarray, far: np.ndarray, exact: tuple[float, float]
) -> list[Defect]:
    """Return reports on strays and on a precision worse than COARSE.

    ``far`` (P,): the strays among ``coord`` (P, 3), which are the points ``rows`` (P,) of the file. ``exact``:
    precision of all points but strays, and of all, in meters.
    """
    found = []
    if far.any():
        first = int(far.argmax())
        at = " ".join(f"{value:g}" for value in coord[first])
        text = f"{int(far.sum())} of {len(rows)} points stand over {FAR:g} m apart from the others"
        kept = f"kept{f', to {exact[1]:.2g} m' * (exact[1] > COARSE)}, without a say in the origin"
        found.append(Defect(where, None, f"{text} (first: point {rows[first]}, {at})", kept))
    if exact[0] > COARSE:
        text = f"float32 holds coordinates in so wide a scan to {exact[0]:.2g} m only"
        found.append(Defect(where, None, text, "kept so; cut the scan into tiles if that is too coarse"))
    return found


def _placeless(where: str, coord: np.ndarray, keep: np.ndarray) -> list[Defect]:
    finite = np.isfinite(coord).all(axis=1)
    found = []
    for wrong, text in (
        (~finite, "NaN or infinite coordinates"),
        (finite & ~keep, f"coordinates beyond {FARTHEST:g}"),
    ):
        if wrong.any():
            text = f"{int(wrong.sum())} of {len(coord)} points have {text} (first: point {int(wrong.argmax())})"
            found.append(Defect(where, None, text, "dropped"))
    return found
