"""Furnish a room: place things on free floor and walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcseg.simulation.fixtures import Opening
from pcseg.simulation.furniture import Generator, Item
from pcseg.simulation.materials import Material
from pcseg.simulation.solids import Part, box, turn

Pose = tuple[float, float, float]
"""x, y in meters and yaw in radians: where an item's origin stands and where its +y points (yaw 0: towards +y)."""
Rectangle = tuple[float, float, float, float]
"""x0, y0, x1, y1 in meters."""
THICKNESS = 0.25
"""Thickness of walls, floor and ceiling, in meters."""
_TRIES = 40


@dataclass(frozen=True)
class Thing:
    """One object of a room: the name of its class and its solids in the room's frame."""

    label: str
    parts: tuple[Part, ...]


class Plan:
    """A box-shaped room, ``size`` (x, y, z) meters with a corner at the origin, that is filled with things."""

    def __init__(self, size: tuple[float, float, float], rng: Generator):
        self.size, self.rng = size, rng
        self.things: list[Thing] = []
        self.floor: list[Rectangle] = []
        self.walls: list[list[Opening]] = [[], [], [], []]
        self.openings: list[list[Opening]] = [[], [], [], []]

    def put(self, item: Item, pose: Pose, place: tuple[float, float, float, float] = (0, 0, 0, 0)) -> None:
        """Add ``item`` at ``place`` (x, y, z, yaw) of the frame that stands at ``pose``."""
        inner, outer = turn(place[3]), turn(pose[2])
        shift, there = np.array(place[:3]), np.array([pose[0], pose[1], 0.0])
        self.things.append(
            Thing(item.label, tuple(part.moved(inner, shift).moved(outer, there) for part in item.parts))
        )

    def wall_pose(self, wall: int, along: float) -> Pose:
        """Return the frame on a wall: x along it, y into the room; walls are numbered counterclockwise from the one at
        y = 0.
        """
        x, y, _ = self.size
        place = ((along, 0.0), (x, along), (x - along, y), (0.0, y - along))[wall]
        return (*place, wall * np.pi / 2)

    def length(self, wall: int) -> float:
        """Return the length of a wall in meters."""
        return self.size[wall % 2]

    def covers(self, pose: Pose, size: tuple[float, float], ahead: float = 0.0) -> Rectangle:
        """Return the axis-aligned rectangle round a footprint ``size``, whose center lies ``ahead`` of the pose."""
        c, s = abs(np.cos(pose[2])), abs(np.sin(pose[2]))
        half = ((c * size[0] + s * size[1]) / 2, (s * size[0] + c * size[1]) / 2)
        x, y = pose[0] - np.sin(pose[2]) * ahead, pose[1] + np.cos(pose[2]) * ahead
        return (x - half[0], y - half[1], x + half[0], y + half[1])

    def is_free(self, rectangle: Rectangle, wall_gap: float = 0.0) -> bool:
        """Return whether a rectangle lies in the room and overlaps no other."""
        x0, y0, x1, y1 = rectangle
        if min(x0, y0) < wall_gap - 1e-6 or x1 > self.size[0] - wall_gap + 1e-6 or y1 > self.size[1] - wall_gap + 1e-6:
            return False
        return all(x0 >= b[2] or x1 <= b[0] or y0 >= b[3] or y1 <= b[1] for b in self.floor)

    def along_wall(self, size: tuple[float, float, float], low: float = 0.0) -> tuple[int, float] | None:
        """Return a free stretch of wall and floor for something ``size`` with its bottom at ``low``; None if none was
        found.

        Marks both as taken; the floor only for things that reach below 0.6 m.
        """
        lengths = np.array([self.length(w) for w in range(4)])
        for _ in range(_TRIES):
            wall = int(self.rng.choice(4, p=lengths / lengths.sum()))
            room = lengths[wall] - size[0] - 0.1
            if room <= 0:
                continue
            along = 0.05 + size[0] / 2 + float(self.rng.random()) * room
            patch = (along - size[0] / 2 - 0.03, along + size[0] / 2 + 0.03, low, size[2])
            if any(
                patch[0] < b[1] and b[0] < patch[1] and patch[2] < b[3] and b[2] < patch[3] for b in self.walls[wall]
            ):
                continue
            area = self.covers(self.wall_pose(wall, along), size[:2], size[1] / 2)
            if low < 0.6 and not self.is_free(area):
                continue
            self.walls[wall].append(patch)
            if low < 0.6:
                self.floor.append(area)
            return wall, along
        return None

    def hang(self, item: Item, on_wall: Opening, opens: bool = False) -> bool:
        """Fix an item to a free stretch of wall and return whether there was one; ``opens``: cut ``on_wall`` out of the
        wall.
        """
        found = self.along_wall((item.size[0] + 0.1, item.size[1], on_wall[3] + 0.05), on_wall[2])
        if found is None:
            return False
        self.put(item, self.wall_pose(*found))
        if opens:
            self.openings[found[0]].append((found[1] + on_wall[0], found[1] + on_wall[1], on_wall[2], on_wall[3]))
        return True

    def against_wall(self, item: Item, ahead: float = 0.0) -> Pose | None:
        """Place an item with its back to a wall and ``ahead`` meters free before it; returns its pose, or None if
        nothing is free.
        """
        gap = float(self.rng.uniform(0.0, 0.06))
        found = self.along_wall((item.size[0], item.size[1] + gap + ahead, item.size[2]))
        if found is None:
            return None
        x, y, yaw = self.wall_pose(*found)
        out = gap + item.size[1] / 2
        pose = (x - np.sin(yaw) * out, y + np.cos(yaw) * out, yaw)
        self.put(item, pose)
        return pose

    def free_pose(self, size: tuple[float, float], ahead: float = 0.0, gap: float = 0.05) -> Pose | None:
        """Return a free place on the floor for a footprint ``size``, at a right angle or, if small, any angle; marks it
        as taken.
        """
        for _ in range(_TRIES):
            yaw = float(self.rng.integers(4)) * np.pi / 2 + float(self.rng.normal(0, 0.08))
            if max(size) < 1.0:
                yaw = float(self.rng.uniform(0, 2 * np.pi))
            x, y = self.rng.random(2) * self.size[:2]
            area = self.covers((x, y, yaw), size, ahead)
            if self.is_free(area, gap):
                self.floor.append(area)
                return (float(x), float(y), yaw)
        return None

    def shell(self, wall: Material, accent: Material, floor: Material, ceiling: Material) -> None:
        """Close the room: floor, ceiling and four walls, with openings for doors and windows."""
        x, y, z = self.size
        outside = 2 * THICKNESS
        base = Thing("floor", (box((x / 2, y / 2, -THICKNESS / 2), (x + outside, y + outside, THICKNESS), floor),))
        top = Thing(
            "ceiling", (box((x / 2, y / 2, z + THICKNESS / 2), (x + outside, y + outside, THICKNESS), ceiling),)
        )
        self.things += [top, base]
        for side in range(4):
            paint = accent if side == 0 else wall
            pieces = [
                box(((u0 + u1) / 2, -THICKNESS / 2, (z0 + z1) / 2), (u1 - u0, THICKNESS, z1 - z0), paint)
                for u0, u1, z0, z1 in _around(self.openings[side], -THICKNESS, self.length(side) + THICKNESS, z)
            ]
            self.put(Item("wall", tuple(pieces), (0, 0, 0)), self.wall_pose(side, 0.0))


def _around(openings: list[Opening], start: float, end: float, height: float) -> list[Opening]:
    """Return the rectangles that remain of a wall from ``start`` to ``end`` without the ``openings``, which do not
    overlap.
    """
    pieces, at = [], start
    for u0, u1, z0, z1 in sorted(openings):
        pieces += [(at, u0, 0.0, height), (u0, u1, 0.0, z0), (u0, u1, z1, height)]
        at = u1
    pieces.append((at, end, 0.0, height))
    return [p for p in pieces if p[1] - p[0] > 1e-3 and p[3] - p[2] > 1e-3]
