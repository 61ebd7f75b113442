"""The points of one file in memory, and the way from there to a scene."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pcseg.data.readers.contract import Defect
from pcseg.data.scene import Scene, recentre
from pcseg.errors import InputError


@dataclass(frozen=True)
class Cloud:
    """P points in the order of the file.

    ``coord`` (P, 3) float64 exactly as in the file: UTM coordinates keep their precision, NaN stays NaN. ``color``
    (P, 3) uint8 or None; ``normal`` (P, 3) float32 or None; ``fields``: every other number the file holds for each
    point, by name, each (P,). ``named``: False where the file has no names, so that those of ``fields`` are a guess.
    ``defects``: what of the file is not here, or was not read to the letter; nothing is left out without an entry.
    """

    coord: np.ndarray
    color: np.ndarray | None = None
    normal: np.ndarray | None = None
    fields: dict[str, np.ndarray] = field(default_factory=dict)
    named: bool = True
    defects: tuple[Defect, ...] = ()

    def __len__(self) -> int:
        return len(self.coord)


def color_to_uint8(values: np.ndarray, where: str) -> np.ndarray:
    """Colours (P, 3) of any range as uint8.

    The range is told from the values: -1 to 1, 0 to 1 (both for floats only), 0 to 255, or 0 to 65535 (LAS). NaN
    becomes 0. Other ranges are an InputError.
    """
    if values.dtype == np.uint8 or values.size == 0:
        return values.astype(np.uint8)
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    small = np.issubdtype(values.dtype, np.floating) and high <= 1
    if low < (-1 if small else 0) or high > 65535:
        raise InputError(f"{where}: colours run from {low:g} to {high:g}; give 0 to 1, 0 to 255 or 0 to 65535")
    if small:
        values = (values + 1) * 127.5 if low < 0 else values * 255.0
    elif high > 255:
        values = values / 257.0
    return np.round(values).astype(np.uint8)


def to_scene(
    name: str, where: str, cloud: Cloud, labels: dict[str, np.ndarray], classes: tuple[str, ...]
) -> tuple[Scene, list[Defect]]:
    """Make a scene of a cloud: points without a finite coordinate are dropped and reported, the rest is recentred.

    ``labels`` holds any of segment, instance and superpoint, each (P,). A cloud of fewer than two finite points is an
    InputError, since nothing can be learnt or measured on it.
    """
    defects = list(cloud.defects)
    keep = np.isfinite(cloud.coord).all(axis=1)
    if not keep.all() and keep.any():
        first = int(np.flatnonzero(~keep)[0])
        found = f"{int((~keep).sum())} of {len(cloud)} points have NaN or infinite coordinates (first: point {first})"
        defects.append(Defect(where, None, found, "dropped"))
    if keep.sum() < 2:
        found = f"{len(cloud)} points, of which {int(keep.sum())} have finite coordinates"
        raise InputError(f"{where}: {found}; a scene needs at least 2, remove it or read it again")
    picked = {k: v if keep.all() else v[keep] for k, v in labels.items()}
    for key, array in (("color", cloud.color), ("normal", cloud.normal)):
        if array is not None:
            picked[key] = array if keep.all() else array[keep]
    coord, origin = recentre(cloud.coord if keep.all() else cloud.coord[keep])
    return Scene(name=name, coord=coord, origin=origin, classes=classes, **picked), defects
