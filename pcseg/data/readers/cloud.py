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
