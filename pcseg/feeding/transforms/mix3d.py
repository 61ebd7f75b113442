"""Two scenes in one place, so that objects are learnt out of their usual context."""

from __future__ import annotations

import numpy as np

from pcseg.feeding.points import Points


def mix3d(first: Points, second: Points) -> Points:
    """The union of two clouds as one sample, each with its own labels (Mix3D, arXiv 2110.02210, section 3.1).

    Both are expected around the origin, as TrainDataset centers them. If one has no color (or normals) and the other
    has, it is given middle gray (zeros). Not for pairs: propagation must know which scene a point is of, so
    only RandomSampler asks for it.
    """
    return Points(
        np.concatenate([first.coord, second.coord]),
        np.concatenate([first.height, second.height]),
        np.concatenate([first.labels, second.labels]),
        _joined(first, second, "color", 0.5),
        _joined(first, second, "normal", 0.0),
    )


def _joined(first: Points, second: Points, name: str, missing: float) -> np.ndarray | None:
    parts = [getattr(points, name) for points in (first, second)]
    if all(part is None for part in parts):
        return None
    filled = [
        np.full((len(points), 3), missing, dtype=np.float32) if part is None else part
        for part, points in zip(parts, (first, second), strict=True)
    ]
    return np.concatenate(filled)
