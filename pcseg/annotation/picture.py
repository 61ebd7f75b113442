"""Turn a scan into what the page draws: points in random order, of which any first part is the whole scan, thinned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pcseg.annotation.nodes import brightness, spacing
from pcseg.pseudo import SurfaceGraph
from pcseg.scenes.scene import Scene
from pcseg.vis.box import core
from pcseg.vis.cutaway import ceiling_height
from pcseg.vis.paint import fraction, spread

CHUNK = 262_144
"""Points of a part that the page asks for."""

_SAMPLE = 300_000
"""Points that the height of the ceiling and the box to look at are found by."""


@dataclass(frozen=True)
class Picture:
    """P points to draw, in random order.

    ``order`` (P,): the number in the scan of the point at each place; ``place`` (P,): the opposite. ``position`` (P, 3)
    uint16 in 1/65535 of the ``extent`` (3,) above ``low`` (3,); ``paint`` (P, 4) uint8: red, green, blue and intensity;
    ``node`` (P,) uint32; ``light`` (N,) uint8. ``about``: what else the page must know.
    """

    order: np.ndarray
    place: np.ndarray
    position: np.ndarray
    paint: np.ndarray
    node: np.ndarray
    light: np.ndarray
    about: dict[str, Any]

    def part(self, start: int, count: int) -> dict[str, np.ndarray]:
        """Return the arrays of ``count`` points from place ``start`` on."""
        rows = slice(start, start + count)
        return {
            "position": self.position[rows].reshape(-1),
            "paint": self.paint[rows].reshape(-1),
            "node": self.node[rows],
        }


def draw(scene: Scene, graph: SurfaceGraph) -> Picture:
    """Return the picture of a scene with ``graph``."""
    coord = np.asarray(scene.coord)
    order = np.random.default_rng(0).permutation(len(coord)).astype(np.uint32)
    place = np.empty_like(order)
    place[order] = np.arange(len(order), dtype=np.uint32)
    low = coord.min(axis=0).astype(np.float64)
    extent = np.maximum(coord.max(axis=0) - low, 1e-3)
    position = np.empty((len(coord), 3), dtype=np.uint16)
    for axis in range(3):
        position[:, axis] = np.round((coord[order, axis] - low[axis]) * (65535 / extent[axis]))
    paint = np.full((len(coord), 4), 160, dtype=np.uint8)
    if scene.color is not None:
        paint[:, :3] = np.asarray(scene.color)[order]
    intensity = _intensity(scene)
    if intensity is not None:
        paint[:, 3] = intensity[order]
    sample = coord[order[:_SAMPLE]].astype(np.float64)
    box = core(sample)
    colored = scene.color is not None and bool(np.asarray(scene.color[order[:_SAMPLE]]).any())
    about = {
        "points": len(coord),
        "nodes": len(graph),
        "chunk": CHUNK,
        "low": [float(v) for v in low],
        "origin": [float(v) for v in np.asarray(scene.origin) + low],
        "extent": [float(e) for e in extent],
        "core": [[float(v) for v in corner - low] for corner in box],
        "cut": float(np.clip(ceiling_height(sample) - low[2], 0, extent[2])),
        "spacing": spacing(graph, len(coord)),
        "colored": colored,
        "intensity": intensity is not None,
    }
    return Picture(order, place, position, paint, graph.node[order].astype(np.uint32), brightness(graph), about)


def _intensity(scene: Scene) -> np.ndarray | None:
    """Return the strength (P,) uint8 of the laser's return, None where the scan has no such column."""
    for name in scene.columns:
        if "intensity" in name.lower():
            values = np.nan_to_num(np.asarray(scene.attributes[name], dtype=np.float64), posinf=0, neginf=0)
            return np.round(255 * fraction(values, *spread(values))).astype(np.uint8)
    return None
