"""Compute the color that a sensor sees: albedo times the light that reaches a point, with shadows."""

from __future__ import annotations

import numpy as np

from pcseg.simulation.materials import albedo
from pcseg.simulation.raycast import Panorama, cast
from pcseg.simulation.rooms import Room

_SHADOW_MAP = (96, 192)
_SOFT = 0.12
"""Meters behind the nearest surface at which a point is in shadow; hides the coarseness of the shadow map."""
_BRIGHT = 1.1
"""Light on a typical surface of a room, to which sensors adapt."""


class Lit:
    """A room with the shadow maps of its lights, which can be viewed from anywhere."""

    def __init__(self, room: Room):
        self.room = room
        self.maps = [Panorama(light, _SHADOW_MAP, -1, 1, None) for light in room.lights]
        hits = [cast(room.solids, view) for view in self.maps]
        self.reach = [h.distance for h in hits]
        self.gain = np.float32(1)
        seen = hits[0].solid >= 0
        rays = np.stack([axis[seen] for axis in self.maps[0].rays], axis=1)
        points = room.lights[0].astype(np.float32) + hits[0].distance[seen][:, None] * rays
        normal = self._normal(hits[0].solid[seen], points, rays)[0]
        self.gain = np.float32(_BRIGHT / np.median(self._light(points, normal).mean(axis=1)))

    def look(self, solid: np.ndarray, points: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return colors (P, 3) in [0, 1] and normals (P, 3) towards the viewer of points (P, 3) of the solids ``solid``
        (P,).

        ``rays`` (P, 3) are the directions from the viewer.
        """
        normal, local = self._normal(solid, points, rays)
        meters = local * self.room.solids.half[solid].astype(np.float32)
        return self.gain * albedo(self.room.surfaces, solid, meters) * self._light(points, normal), normal

    def _normal(self, solid: np.ndarray, points: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return normals towards the viewer, and the points in the cubes of their solids."""
        local = self.room.solids.local(solid, points)
        normal = self.room.solids.normals(solid, local)
        normal *= -np.sign((normal * rays).sum(axis=1, keepdims=True))
        return normal, local

    def _light(self, points: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Return the light (P, 3) on points with these normals."""
        room = self.room
        light = np.broadcast_to(room.ambient, points.shape).astype(np.float32)
        for view, reach, glow in zip(self.maps, self.reach, room.glow, strict=True):
            away = points - view.origin.astype(np.float32)
            distance = np.linalg.norm(away, axis=1)
            away /= np.maximum(distance, 1e-3)[:, None]
            facing = np.maximum(-(normal * away).sum(axis=1), 0)
            seen = distance < reach[view.cell(away)] + _SOFT
            strength = (0.15 + 0.85 * facing * seen) / (1 + 0.12 * distance * distance)
            light = light + strength[:, None] * glow.astype(np.float32)
        return np.asarray(light)
