"""Clouds for the tests of transforms: each point can be told by a label of its own."""

from __future__ import annotations

import numpy as np

from pcseg.feeding.points import Points


def cloud(count: int = 60, color: bool = True, normal: bool = True, seed: int = 0) -> Points:
    """Points in a box of 4 x 3 x 2 m around the origin; ``labels`` count up, so that they tell which point is which."""
    rng = np.random.default_rng(seed)
    coord = ((rng.random((count, 3)) - [0.5, 0.5, 0]) * [4, 3, 2]).astype(np.float32)
    direction = rng.standard_normal((count, 3))
    unit = (direction / np.linalg.norm(direction, axis=1, keepdims=True)).astype(np.float32)
    return Points(
        coord=coord,
        height=coord[:, 2].copy(),
        labels=np.arange(count, dtype=np.int64),
        color=rng.random((count, 3)).astype(np.float32) if color else None,
        normal=unit if normal else None,
    )


def copied(points: Points) -> dict[str, np.ndarray]:
    """The arrays of ``points``, that one may see whether they were changed in place."""
    return {name: array.copy() for name, array in vars(points).items() if array is not None}


def same(a: Points, b: Points) -> bool:
    ours, theirs = vars(a), vars(b)
    return all((x is None and theirs[n] is None) or np.array_equal(x, theirs[n]) for n, x in ours.items())
