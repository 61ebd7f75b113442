"""Where a ray first is inside a solid, by walking along it: no analytic intersection, no culling, nothing of pcseg."""

from __future__ import annotations

import numpy as np

Solid = tuple[str, np.ndarray, np.ndarray, np.ndarray]
"""Kind ("box", "cylinder" or "ellipsoid"), center (3,), half extents (3,), rotation (3, 3) to the world."""


def depth_inside(solid: Solid, points: np.ndarray) -> np.ndarray:
    """A number below 1 inside a solid, 1 on its surface, above 1 outside, for points (..., 3)."""
    kind, center, half, rotation = solid
    x, y, z = np.moveaxis((points - center) @ rotation / half, -1, 0)
    if kind == "box":
        return np.maximum(np.maximum(abs(x), abs(y)), abs(z))
    if kind == "cylinder":
        return np.maximum(np.sqrt(x**2 + y**2), abs(z))
    return np.sqrt(x**2 + y**2 + z**2)


def walk(solids: list[Solid], origin: np.ndarray, ends: np.ndarray, step: float) -> np.ndarray:
    """Return the first distance (R,) inside a solid on the way from ``origin`` (3,) to ``ends`` (R, 3), or inf."""
    first = np.full(len(ends), np.inf)
    for r, end in enumerate(ends):
        length = np.linalg.norm(end - origin)
        distance = np.arange(step, length, step)
        points = origin + distance[:, None] * (end - origin) / length
        for solid in solids:
            inside = np.flatnonzero(depth_inside(solid, points) < 1)
            if len(inside):
                first[r] = min(first[r], distance[inside[0]])
    return first
