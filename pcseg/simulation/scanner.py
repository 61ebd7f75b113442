"""Scan a room with a virtual scanner: stations, visible points, and measurement errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcseg.simulation.difficulty import Difficulty
from pcseg.simulation.light import Lit
from pcseg.simulation.raycast import Panorama, cast
from pcseg.simulation.rooms import Room

LOWEST, HIGHEST = -0.93, 1.0
"""Sine of the elevations between which the scanner sees; its own stand hides everything below."""
GRAZING = 0.3
"""Cosine of the angle of incidence below which returns begin to be lost."""


@dataclass(frozen=True)
class Cloud:
    """P scanned points in the room's frame: ``coord`` (P, 3) float32, ``color`` (P, 3) uint8, ``solid`` (P,) hit.

    ``scan`` (P,) is the station that a point was measured from, an index into ``stations`` (T, 3).
    """

    coord: np.ndarray
    color: np.ndarray
    solid: np.ndarray
    scan: np.ndarray
    stations: np.ndarray


def stations(room: Room, count: int, rng: np.random.Generator, height: tuple[float, float]) -> np.ndarray:
    """Return ``count`` free places (count, 3), far from one another, for a scanner or camera at ``height`` meters."""
    low = np.minimum(0.9, 0.25 * np.array(room.size[:2]))  # too near to a wall to see much else
    high = np.array(room.size[:2]) - low
    places = np.column_stack([low + rng.random((400, 2)) * (high - low), rng.uniform(*height, 400)])
    clear = ~room.solids.contain(places, 0.2)
    for level in (0.4, 0.9):  # a stand needs free space below the sensor too, unless the room is too full for that
        standing = clear & ~room.solids.contain(places * [1, 1, 0] + [0, 0, level], 0.1)
        clear = standing if standing.sum() >= count else clear
    places = places[clear] if clear.any() else places[~room.solids.contain(places, 0.0)]
    chosen = [0]
    while len(chosen) < count:
        away = np.linalg.norm(places[:, None] - places[chosen], axis=-1).min(axis=1)
        chosen.append(int((away * rng.uniform(0.7, 1, len(away))).argmax()))
    return np.asarray(places[chosen])


def scan(lit: Lit, points: int, rng: np.random.Generator, difficulty: Difficulty, oversampling: float = 1.6) -> Cloud:
    """Return about ``points`` points of a room, from three to six stations by its size; fewer only if little returns,
    never more.
    """
    room = lit.room
    count = int(np.clip(round(room.size[0] * room.size[1] / 9), 3, 6))
    places = stations(room, count, rng, (1.35, 1.75))
    kept = [_turn(lit, place, oversampling * points / count, rng, difficulty) for place in places]
    coord, color, solid = (np.concatenate([k[i] for k in kept]) for i in range(3))
    origin = np.repeat(np.arange(count), [len(k[0]) for k in kept])
    chosen = np.sort(rng.permutation(len(coord))[:points])
    return Cloud(coord[chosen], color[chosen], solid[chosen], origin[chosen], places)


def _turn(
    lit: Lit, origin: np.ndarray, rays: float, rng: np.random.Generator, difficulty: Difficulty
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the points, colors and solids of one turn of the scanner at ``origin`` (3,)."""
    rows = max(8, round(float(np.sqrt(rays * (HIGHEST - LOWEST) / (2 * np.pi)))))
    view = Panorama(origin, (rows, max(8, round(rays / rows))), LOWEST, HIGHEST, rng)
    hits = cast(lit.room.solids, view)
    found = hits.solid >= 0
    solid, distance = hits.solid[found], hits.distance[found]
    ray = np.stack([axis[found] for axis in view.rays], axis=1)
    coord = origin.astype(np.float32) + distance[:, None] * ray
    color, normal = lit.look(solid, coord, ray)
    cosine = np.abs((normal * ray).sum(axis=1))
    lost = np.clip(1 - cosine / GRAZING, 0, 1) + lit.room.surfaces.clear[solid] + 0.02
    stays = rng.random(len(solid)) >= np.minimum(difficulty.dropout * lost, 0.97)
    error = rng.normal(0, difficulty.range_noise, len(solid)) * (0.5 + distance / 6) / np.maximum(cosine, 0.4)
    coord = coord + (error[:, None] * ray).astype(np.float32)
    exposure = np.exp(rng.normal(0, 0.15 * difficulty.light)) * (1 + rng.normal(0, 0.03 * difficulty.light, 3))
    return coord[stays], expose(color[stays], exposure, rng, difficulty.color_noise), solid[stays]


def expose(color: np.ndarray, exposure: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Return colors (..., 3) as a sensor records them: uint8, with ``noise`` and a soft shoulder instead of
    clipping.
    """
    level = np.maximum(color * exposure + rng.normal(0, noise, color.shape) * (0.3 + 0.7 * np.sqrt(color)), 0)
    return np.asarray(np.round(255 * (1 - np.exp(-1.4 * level))).clip(0, 255).astype(np.uint8))
