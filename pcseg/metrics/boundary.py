"""Which points are at the border of two classes, where small and thin things are won or lost."""

from __future__ import annotations

import numpy as np
import torch

from pcseg.classes import IGNORE
from pcseg.ops import knn

NEIGHBORS = 8
"""Number of nearest points that a point is compared with; of a pixel, those around it."""


def at_boundary(truth: np.ndarray, coord: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return (P,) bool: points of which a neighbor is of another class; IGNORE is no class.

    ``truth`` (P,) are true classes; ``coord`` (P, 3). Neighbors are the nearest NEIGHBORS points or, where ``size``
    (H, W) says that the points are the pixels of a picture, those of the 3 x 3 pixels around one.
    """
    if size is not None:
        grid = np.pad(truth.reshape(size), 1, constant_values=IGNORE)
        near = [grid[1 + i : 1 + i + size[0], 1 + j : 1 + j + size[1]] for i in (-1, 0, 1) for j in (-1, 0, 1)]
        others = np.stack(near, axis=-1).reshape(len(truth), -1)
    else:
        points = torch.from_numpy(np.ascontiguousarray(coord, dtype=np.float32))
        index = knn(points, points, NEIGHBORS + 1)[0].numpy()
        others = np.where(index < 0, IGNORE, truth[index])
    return (truth != IGNORE) & ((others != truth[:, None]) & (others != IGNORE)).any(axis=1)
