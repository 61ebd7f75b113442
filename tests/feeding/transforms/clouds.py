"""Clouds for the tests of transforms: each point can be told by a label of its own."""

from __future__ import annotations

import numpy as np

from pcseg.scenes.points import Points


def cloud(count: int = 60, color: bool = True, normal: bool = True, seed: int = 0) -> Points:
    """Points in a box of 4 x 3 x 2 m around the origin; ``labels`` count up, so that they tell which point is which."""
    rng = np.random.default_rng(seed)
    coord = ((rng.random((count, 3)) - [0.5, 0.5, 0]) * [4, 3, 2]).astype(np.float32)
    direction = rng.standard_normal((count, 3))
    unit = (direction / np.linalg.norm(direction, axis=1, keepdims=True)).astype(np.float32)
    attributes = {"height": coord[:, 2].copy(), "labels": np.arange(count, dtype=np.int16)}
    attributes["intensity"] = rng.integers(0, 2000, count).astype(np.uint16)
    painted = rng.random((count, 3)).astype(np.float32)
    attributes |= {"color": painted} if color else {}
    attributes |= {"normal": unit} if normal else {}
    return Points(coord, attributes)


def copied(points: Points) -> dict[str, np.ndarray]:
    """Copies of the arrays of ``points``, to see whether they were changed in place."""
    return {name: array.copy() for name, array in arrays(points).items()}


def arrays(points: Points) -> dict[str, np.ndarray]:
    return {"coord": points.coord, **points.attributes}


def same(a: Points, b: Points) -> bool:
    ours, theirs = arrays(a), arrays(b)
    return ours.keys() == theirs.keys() and all(np.array_equal(x, theirs[n]) for n, x in ours.items())
