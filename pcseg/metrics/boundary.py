"""Which points are at the border of two classes, where small and thin things are won or lost."""

from __future__ import annotations

import numpy as np
import torch

from pcseg.elements import at_boundary, pixel_pairs
from pcseg.ops import knn

NEIGHBORS = 8
"""Number of nearest points that are neighbors of a point; of a pixel, those around it."""


def borders(truth: np.ndarray, coord: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return (P,) bool: points that are neighbors of one of another class; IGNORE is no class.

    ``truth`` (P,) are true classes; ``coord`` (P, 3). Neighbors are the nearest NEIGHBORS points or, where ``size``
    (H, W) says that the points are the pixels of a picture, those of the 3 x 3 pixels around one.
    """
    if size is not None:
        pairs = pixel_pairs(1, *size)
    else:
        points = torch.from_numpy(np.require(coord, np.float32, ["C", "W"]))
        near = knn(points, points, NEIGHBORS + 1)[0]
        own = torch.arange(len(near))[:, None].expand_as(near)
        pairs = torch.stack([own, near])[:, near >= 0]
    return at_boundary(torch.from_numpy(np.require(truth, np.int64, ["W"])), pairs).numpy()
