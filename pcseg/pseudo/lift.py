"""Lift labels of pictures to points: each point takes the mean over the views that see it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo.camera import Camera, pixels_of
from pcseg.pseudo.project import TOLERANCE, point_spacing, visible

DOUBT = 0.25
"""Views that speak against each label, added to those that have seen a point: of one view alone confidence is 0.8."""


@dataclass(frozen=True)
class View:
    """One picture of labels: ``labels`` (H, W) whole numbers, IGNORE where unknown, or (H, W, K) probabilities.

    ``camera`` took it. ``depth`` (h, w) in meters, 0 where unknown, was taken by ``depth_camera``, or by ``camera`` in
    another resolution; None: which points are seen is told by the points themselves.
    """

    camera: Camera
    labels: np.ndarray
    depth: np.ndarray | None = None
    depth_camera: Camera | None = None

    def see(self, points: np.ndarray, tolerance: float, spacing: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return ``rows`` (n,) of the points (P, 3) that are seen, and their pixels (n, 2) of ``labels``."""
        if self.depth is None:
            return visible(self.camera, points, None, tolerance, spacing)
        height, width = self.depth.shape
        rows, _ = visible(self.depth_camera or self.camera.of_size((height, width)), points, self.depth, tolerance)
        inside, pixels, _ = pixels_of(self.camera, points[rows])
        return rows[inside], pixels


@dataclass(frozen=True)
class Lifted:
    """Labels of P points from many views.

    ``probabilities`` (P, K) float32: their mean over the views that see a point and have a label there, 0 where there
    are none; ``views`` (P,) int32: how many these are.
    """

    probabilities: np.ndarray
    views: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """The most probable class (P,) int64; IGNORE where no view has a label."""
        return np.where(self.views > 0, self.probabilities.argmax(axis=1), IGNORE)

    @property
    def confidence(self) -> np.ndarray:
        """The largest mean probability times n / (n + DOUBT) (P,) float32, for n views.

        Of the ways that were compared on simulated rooms this told right from wrong labels well for true and for
        predicted pictures. To multiply by the share of views that agree made it worse: the mean holds that already.
        """
        return (self.probabilities.max(axis=1) * (self.views / (self.views + DOUBT))).astype(np.float32)


def lift(
    points: np.ndarray,
    views: Iterable[View],
    n_classes: int,
    tolerance: float = TOLERANCE,
    spacing: np.ndarray | None = None,
) -> Lifted:
    """Return the labels of ``points`` (P, 3) that ``views`` give them; each view counts the same.

    On simulated rooms, weights by distance, angle to the surface, nearness of an edge or error of depth changed the
    accuracy of true labels by less than 0.3 %; of guessed ones, weights by distance lost up to 0.7 %. Views are taken
    one at a time: memory is that of the result and of one view. ``tolerance`` and ``spacing`` as for
    :func:`pcseg.pseudo.project.visible`. Raises InputError for a picture that is not of its camera's size, and for a
    label that is no class.
    """
    points = np.asarray(points, dtype=np.float64)
    total = np.zeros((len(points), n_classes), dtype=np.float32)
    count = np.zeros(len(points), dtype=np.int32)
    for number, view in enumerate(views):
        if view.labels.shape not in (view.camera.size, (*view.camera.size, n_classes)):
            raise InputError(
                f"view {number}: labels {view.labels.shape}; give {view.camera.size}, or probabilities of {n_classes} "
                "classes too"
            )
        if spacing is None and view.depth is None:
            spacing = point_spacing(points)
        rows, pixels = view.see(points, tolerance, spacing)
        found = view.labels[pixels[:, 0], pixels[:, 1]]
        if found.ndim == 2:
            known = found.any(axis=1)
            total[rows[known]] += found[known]
        else:
            known = found != IGNORE
            if ((found < IGNORE) | (found >= n_classes)).any():
                raise InputError(f"view {number}: label {found.max()} or {found.min()} is none of {n_classes} classes")
            total[rows[known], found[known]] += 1
        count[rows[known]] += 1
    return Lifted(total / np.maximum(count, 1)[:, None], count)
