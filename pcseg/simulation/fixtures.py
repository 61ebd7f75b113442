"""Make the fixtures of walls and ceiling: doors, windows, boards, columns, beams, and clutter that imitates them.

An item on a wall has its origin on the wall's surface at floor level, x along the wall and y into the room; negative y
lies in the wall's thickness, where doors and windows have an opening.
"""

from __future__ import annotations

import numpy as np

from pcseg.simulation.furniture import Generator, Item, Style
from pcseg.simulation.materials import DARKS, GLASS, PAINTS, STRIPES, WHITES, Material, worn
from pcseg.simulation.solids import Part, box, cylinder

Opening = tuple[float, float, float, float]
"""Left, right, bottom, top of a rectangle on a wall, in meters."""


def door(rng: Generator, style: Style, wall: Material) -> tuple[Item, Opening]:
    """Return a closed or open door leaf in a frame; a look-alike is flush with the wall or takes its color."""
    width = rng.uniform(1.4, 1.7) if rng.random() < 0.15 else rng.uniform(0.8, 1.0)
    height = rng.uniform(1.98, 2.15)
    leaf, frame = style.palette.material("door", rng), style.palette.material("frame", rng)
    recess = rng.uniform(0.03, 0.10)
    if style.alike(rng):
        recess, leaf = 0.005, rng.choice([leaf, worn(wall, rng)])  # type: ignore[arg-type]
    parts = [box((x * (width / 2 + 0.03), 0.0, height / 2), (0.06, 0.04, height), frame) for x in (-1, 1)] + [
        box((0, 0, height + 0.03), (width + 0.12, 0.04, 0.06), frame)
    ]
    if rng.random() < 0.25:  # open into the room, leaving a hole
        swing = rng.uniform(0.6, 1.6)
        end = np.array([np.cos(swing), np.sin(swing)]) * width / 2
        parts.append(box((-width / 2 + end[0], end[1], height / 2), (width, 0.04, height - 0.02), leaf, yaw=swing))
    else:
        parts.append(box((0, -recess - 0.02, height / 2), (width, 0.04, height), leaf))
        if rng.random() < 0.3:
            glass = Material(GLASS[rng.integers(len(GLASS))], clear=0.4)
            wide, tall = width * rng.uniform(0.15, 0.6), rng.uniform(0.5, 1.2)
            parts.append(box((0, -recess, 1.1 + tall / 2 - 0.2), (wide, 0.012, min(tall, height - 1.1)), glass))
        parts.append(box((width / 2 - 0.08, -recess + 0.03, 1.0), (0.12, 0.04, 0.03), Material(WHITES[2])))
    return Item("door", tuple(parts), (width, 0.9, height)), (-width / 2, width / 2, 0.0, height)


def window(rng: Generator, style: Style, ceiling: float) -> tuple[Item, Opening]:
    """Return panes in a frame, deep in the wall, some with blinds; look-alikes reach the floor like doors or are flush
    like boards.
    """
    width, sill = rng.uniform(0.9, 2.2), rng.uniform(0.7, 1.05)
    height, recess = min(rng.uniform(1.1, 1.6), ceiling - sill - 0.15), rng.uniform(0.06, 0.16)
    if style.alike(rng):
        if rng.random() < 0.4:
            width, sill, height = rng.uniform(0.8, 1.4), 0.05, min(2.1, ceiling - 0.3)
        recess = 0.01
    frame = style.palette.material("frame", rng)
    glass = Material(GLASS[rng.integers(len(GLASS))], contrast=0.15, scale=1.5, clear=rng.uniform(0.2, 0.65))
    middle = sill + height / 2
    panes = max(1, round(width / rng.uniform(0.6, 1.1)))
    parts = [box((0, -recess - 0.02, middle), (width, 0.01, height), glass)]
    for k in range(panes + 1):
        x = -width / 2 + k * width / panes
        parts.append(box((x, -recess, middle), (0.06, 0.05, height), frame))
    bars = (sill, sill + height, *((middle,) if rng.random() < 0.3 else ()))
    parts += [box((0, -recess, z), (width, 0.05, 0.06), frame) for z in bars]
    if rng.random() < 0.4:
        drop = height * rng.uniform(0.3, 1)
        cloth = style.palette.color("frame", rng)
        slats = Material(cloth, STRIPES, 0.03, 0.05, tuple(0.75 * c for c in cloth))  # type: ignore[arg-type]
        parts.append(box((0, -recess + 0.045, sill + height - drop / 2), (width * 0.96, 0.015, drop), slats))
    return Item("window", tuple(parts), (width, 0.05, sill + height)), (-width / 2, width / 2, sill, sill + height)


def board(rng: Generator, style: Style) -> tuple[Item, Opening]:
    """Return a whiteboard, blackboard or pin board with a thin frame; look-alikes have the size of windows or
    posters.
    """
    width, height, low = rng.uniform(1.2, 2.6), rng.uniform(0.9, 1.25), rng.uniform(0.8, 1.0)
    if style.alike(rng):
        width, height, low = rng.uniform(0.7, 1.6), rng.uniform(0.9, 1.5), rng.uniform(0.7, 1.1)
    color = style.palette.color("board", rng)
    if rng.random() < 0.5:  # written on, or with notices pinned to it
        face = Material(color, contrast=0.3, scale=rng.uniform(0.1, 0.4))
    else:
        face = Material(color, contrast=0.04, scale=0.8)
    frame, thick = style.palette.material("frame", rng), rng.uniform(0.015, 0.04)
    middle = low + height / 2
    parts = [box((0, thick / 2, middle), (width, thick, height), face)]
    edges = (0.03, thick + 0.02, height + 0.03), (width, thick + 0.02, 0.03)
    parts += [box((x * width / 2, thick / 2, middle), edges[0], frame) for x in (-1, 1)]
    parts += [box((0, thick / 2, z), edges[1], frame) for z in (low, low + height)]
    if rng.random() < 0.5:
        parts.append(box((0, thick + 0.03, low), (width * 0.6, 0.06, 0.02), frame))
    return Item("board", tuple(parts), (width, 0.08, low + height)), (-width / 2, width / 2, low, low + height)


def poster(rng: Generator, style: Style) -> tuple[Item, Opening]:
    """Return clutter on a wall: a poster, a screen, a picture, a wall cabinet; imitates boards and windows."""
    width, height, thick = rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.8), rng.choice([0.012, 0.03])
    color = style.palette.color("clutter", rng)
    if style.alike(rng):
        width, height = rng.uniform(0.9, 1.6), rng.uniform(0.6, 1.1)
        color = DARKS[0] if rng.random() < 0.5 else color
        thick = rng.choice([0.03, 0.06, 0.3])
    low = rng.uniform(1.1, 1.5)
    face = Material(color, contrast=0.25, scale=rng.uniform(0.2, 0.8), clear=0.2 if max(color) < 0.15 else 0)
    parts = (box((0, thick / 2, low + height / 2), (width, thick, height), face),)
    return Item("clutter", parts, (width, thick + 0.02, low + height)), (-width / 2, width / 2, low, low + height)


def radiator(rng: Generator, style: Style) -> tuple[Item, Opening]:
    """Return a radiator, clutter low on a wall."""
    width, height = rng.uniform(0.6, 1.4), rng.uniform(0.4, 0.6)
    color = style.palette.color("frame", rng)
    ribs = Material(color, contrast=0.1, scale=0.06)
    parts = (box((0, 0.07, 0.12 + height / 2), (width, 0.08, height), ribs),)
    return Item("clutter", parts, (width, 0.15, height + 0.12)), (-width / 2, width / 2, 0.0, height + 0.12)


def column(rng: Generator, style: Style, ceiling: float, wall: Material) -> Item:
    """Return a free or engaged column, square or round; a look-alike is a flat pilaster in the wall's paint."""
    width = rng.uniform(0.3, 0.55)
    depth = width * rng.uniform(0.8, 1.2)
    paint = style.palette.material("column", rng)
    if style.alike(rng):
        width, depth, paint = rng.uniform(0.4, 0.8), rng.uniform(0.15, 0.35), worn(wall, rng, 0.03)
    make = cylinder if rng.random() < 0.3 and depth > 0.25 else box
    return Item("column", (make((0, 0, ceiling / 2), (width, depth, ceiling), paint),), (width, depth, ceiling))


def beam(rng: Generator, style: Style, length: float, ceiling: float, paint: Material) -> Item:
    """Return a beam along x under the ceiling; a look-alike is shallow and takes the ceiling's paint."""
    width, drop = rng.uniform(0.2, 0.4), rng.uniform(0.22, 0.45)
    own = style.palette.material("beam", rng)
    if style.alike(rng):
        drop, own = rng.uniform(0.12, 0.25), worn(paint, rng, 0.03)
    return Item("beam", (box((0, 0, ceiling - drop / 2), (length, width, drop), own),), (length, width, ceiling))


def duct(rng: Generator, style: Style, length: float, ceiling: float) -> Item:
    """Return clutter along x under the ceiling: a duct, pipe or cable tray, which imitates a beam."""
    width, drop = rng.uniform(0.15, 0.45), rng.uniform(0.12, 0.35)
    metal = style.palette.material("metal", rng)
    gap = rng.uniform(0, 0.1)
    part: Part = box((0, 0, ceiling - gap - drop / 2), (length, width, drop), metal)
    if rng.random() < 0.5:
        tall = np.pi / 2
        part = Part(1, part.center, np.array([drop, drop, length]) / 2, _lying(tall), metal)
    return Item("clutter", (part,), (length, width, ceiling))


def _lying(angle: float) -> np.ndarray:
    """Return the rotation that lays a cylinder along x."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def lamp(rng: Generator, ceiling: float) -> Item:
    """Return clutter on the ceiling: a panel, a tube or a round light."""
    shine = Material((0.98, 0.97, 0.93), contrast=0.02)
    drop = rng.choice([0.02, 0.08, 0.35])
    size = [(0.6, 0.6, 0.04), (1.2, 0.16, 0.07), (0.4, 0.4, 0.08)][rng.integers(3)]
    make = cylinder if size[0] == 0.4 else box
    return Item("clutter", (make((0, 0, ceiling - drop), size, shine),), (size[0], size[1], ceiling))


def wall_paint(rng: Generator, style: Style) -> Material:
    """Return the paint of a room's walls, usually a pale one."""
    color = (WHITES + PAINTS)[rng.integers(len(WHITES + PAINTS))]
    return worn(Material(color, contrast=0.04, scale=1.2), rng, 0.06)
