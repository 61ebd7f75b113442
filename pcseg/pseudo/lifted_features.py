"""Lift features of pictures to points: their principal components, in the mean over the views that see a point."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from pcseg.archives import read_npz
from pcseg.errors import InputError
from pcseg.files import atomic_path
from pcseg.formats.frames import Frames
from pcseg.ops import knn
from pcseg.pseudo.frame_views import FrameViews, PredictedPictures
from pcseg.pseudo.lift import lift
from pcseg.pseudo.picture_features import PictureFeatures
from pcseg.pseudo.project import TOLERANCE

REACH = 0.3
"""Meters within which a point that no view sees takes the values of the nearest one that is seen; others get 0."""


@dataclass(frozen=True)
class Basis:
    """Principal components of features: ``mean`` (C,) and orthonormal ``axes`` (C, D), those of most variance first."""

    mean: np.ndarray
    axes: np.ndarray

    @classmethod
    def fit(cls, maps: Iterable[np.ndarray], components: int) -> Basis:
        """Return the ``components`` first of feature maps (h, w, C), taken one at a time.

        Each axis has its largest entry above 0, so that the same maps give the same axes. Raises InputError for no map,
        and for more components than channels.
        """
        count, total, square = 0, np.zeros(0), np.zeros((0, 0))
        for found in maps:
            rows = found.reshape(-1, found.shape[-1]).astype(np.float64)
            if not count:
                total, square = np.zeros(rows.shape[1]), np.zeros((rows.shape[1], rows.shape[1]))
            count, total, square = count + len(rows), total + rows.sum(axis=0), square + rows.T @ rows
        if not count or not 1 <= components <= len(total):
            raise InputError(f"components={components}: features have {len(total)} channels; give 1 to that many")
        mean = total / count
        axes = np.linalg.eigh(square / count - np.outer(mean, mean))[1][:, ::-1][:, :components]
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(components)])
        return cls(mean.astype(np.float32), axes.astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return the components (..., D) float32 of features (..., C)."""
        if features.shape[-1] != len(self.mean):
            raise InputError(f"features of {features.shape[-1]} channels, the basis has {len(self.mean)}; fit it anew")
        return np.asarray((features - self.mean) @ self.axes, dtype=np.float32)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an .npz file, atomically."""
        with atomic_path(path, self.load) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, mean=self.mean, axes=self.axes)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Basis:
        """Read a file that ``save`` wrote; raises InputError for another."""
        arrays, _ = read_npz(Path(path))
        mean, axes = arrays.get("mean"), arrays.get("axes")
        if mean is None or axes is None or mean.ndim != 1 or axes.ndim != 2 or len(axes) != len(mean):
            raise InputError(f"{path}: holds no basis of features; remove it, and it is fitted anew")
        return cls(mean, axes)


def lift_features(
    points: np.ndarray,
    frames: Frames,
    features: PictureFeatures,
    basis: Basis,
    every: int = 1,
    tolerance: float = TOLERANCE,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the components (P, D) float32 of ``points`` (P, 3), and how many views (P,) int32 see each.

    A point takes the mean over its views, of each ``every``-th color picture, as labels do (:func:`lift`); between the
    patches of a picture they are bilinear. A point that none sees has those of the nearest one that is seen within
    REACH, else 0, the mean of the pictures that the basis is of.
    """

    def components(color: np.ndarray) -> np.ndarray:
        found = torch.from_numpy(basis(features(color))).permute(2, 0, 1)[None]
        size = (color.shape[0], color.shape[1])
        return F.interpolate(found, size, mode="bilinear", align_corners=False)[0].permute(1, 2, 0).numpy()

    views = FrameViews(frames, PredictedPictures(frames, components), every)
    lifted = lift(points, views, basis.axes.shape[1], tolerance)
    found, count = lifted.probabilities, lifted.views
    seen, left = np.flatnonzero(count > 0), np.flatnonzero(count == 0)
    if len(seen) and len(left):
        place = torch.from_numpy(np.asarray(points, dtype=np.float64))
        index, distance = (values[:, 0].numpy() for values in knn(place[left], place[seen], 1))
        near = distance <= REACH
        found[left[near]] = found[seen[index[near]]]
    return found, count


def feature_maps(frames: Frames, features: PictureFeatures, every: int = 1) -> Iterator[np.ndarray]:
    """Yield the features (h, w, C) of each ``every``-th color picture of ``frames``."""
    pictures = PredictedPictures(frames, features)
    for name in list(pictures.files)[::every]:
        yield pictures.read(name)
