"""Make clutter: small things on surfaces and floors, and large things that imitate furniture."""

from __future__ import annotations

import numpy as np

from pcseg.simulation.furniture import Generator, Item, Style
from pcseg.simulation.materials import DARKS, Material, worn
from pcseg.simulation.solids import Part, ball, box, cylinder


def small(rng: Generator, style: Style) -> Item:
    """Return a thing for a table, shelf or cabinet: a screen, papers, a box, a cup, a lamp, a plant, a bag."""
    kind = rng.choice(["screen", "papers", "box", "cup", "lamp", "plant", "keyboard", "bag"])
    material = style.palette.material("clutter", rng)
    dark = Material(DARKS[rng.integers(2)], clear=0.2)
    parts: list[Part]
    if kind == "screen":
        width, height = rng.uniform(0.4, 0.65), rng.uniform(0.26, 0.4)
        parts = [
            box((0, 0, 0.12 + height / 2), (width, 0.04, height), dark),
            box((0, -0.04, 0.08), (0.05, 0.04, 0.16), dark),
        ]
        parts.append(box((0, 0, 0.01), (0.24, 0.18, 0.02), dark))
        return Item("clutter", tuple(parts), (width, 0.2, height + 0.12))
    if kind == "lamp":
        parts = [cylinder((0, 0, 0.2), (0.03, 0.03, 0.4), dark), cylinder((0, 0, 0.42), (0.2, 0.2, 0.14), material)]
        return Item("clutter", tuple(parts), (0.2, 0.2, 0.5))
    if kind == "plant":
        return plant(rng, style, rng.uniform(0.3, 0.5))
    if kind == "bag":
        size = (rng.uniform(0.25, 0.4), rng.uniform(0.15, 0.3), rng.uniform(0.2, 0.4))
        return Item("clutter", (ball((0, 0, size[2] / 2), size, material),), size)
    if kind == "cup":
        size = (0.09, 0.09, rng.uniform(0.08, 0.25))
        return Item("clutter", (cylinder((0, 0, size[2] / 2), size, material),), size)
    low, high = {
        "papers": ((0.2, 0.2, 0.02), (0.35, 0.3, 0.15)),
        "keyboard": ((0.35, 0.12, 0.02), (0.45, 0.16, 0.04)),
    }.get(str(kind), ((0.15, 0.15, 0.1), (0.4, 0.35, 0.35)))
    width, depth, height = rng.uniform(low, high)
    return Item("clutter", (box((0, 0, height / 2), (width, depth, height), material),), (width, depth, height))


def plant(rng: Generator, style: Style, height: float) -> Item:
    """Return a pot with leaves."""
    pot = style.palette.material("clutter", rng)
    wide = 0.35 * height
    green = Material((0.15 + rng.uniform(0, 0.15), 0.32 + rng.uniform(0, 0.2), 0.12), contrast=0.4, scale=0.08)
    parts = [cylinder((0, 0, 0.15 * height), (wide, wide, 0.3 * height), pot)]
    for _ in range(4):
        x, y = rng.normal(0, 0.12 * height, 2)
        parts.append(
            ball(
                (x, y, rng.uniform(0.5, 0.85) * height),
                (wide, wide, rng.uniform(0.25, 0.45) * height),
                worn(green, rng, 0.2),
            )
        )
    return Item("clutter", tuple(parts), (2 * wide, 2 * wide, height))


def floor(rng: Generator, style: Style) -> Item:
    """Return a thing for the floor: a bin, boxes, a bag, a plant, a stand."""
    kind = rng.choice(["bin", "boxes", "bag", "plant", "stand"], p=[0.25, 0.3, 0.2, 0.15, 0.1])
    material = style.palette.material("clutter", rng)
    if kind == "bin":
        size = (rng.uniform(0.22, 0.45), rng.uniform(0.22, 0.45), rng.uniform(0.28, 0.75))
        make = cylinder if rng.random() < 0.6 else box
        return Item("clutter", (make((0, 0, size[2] / 2), size, material),), size)
    if kind == "bag":
        size = (rng.uniform(0.3, 0.5), rng.uniform(0.2, 0.4), rng.uniform(0.3, 0.5))
        return Item("clutter", (ball((0, 0, size[2] / 2), size, material),), size)
    if kind == "plant":
        return plant(rng, style, rng.uniform(0.7, 1.5))
    if kind == "stand":
        height = rng.uniform(1.4, 1.8)
        parts = [
            cylinder((0, 0, height / 2), (0.05, 0.05, height), material),
            cylinder((0, 0, 0.02), (0.4, 0.4, 0.04), material),
        ]
        parts.append(ball((0.06, 0, height - 0.25), (0.4, 0.3, 0.7), style.palette.material("chair", rng)))
        return Item("clutter", tuple(parts), (0.45, 0.45, height))
    parts, z, wide = [], 0.0, rng.uniform(0.35, 0.6)
    for _ in range(rng.integers(1, 4)):
        size = (wide * rng.uniform(0.8, 1), wide * rng.uniform(0.6, 1), rng.uniform(0.2, 0.45))
        parts.append(box((0, 0, z + size[2] / 2), size, worn(material, rng, 0.15), yaw=rng.normal(0, 0.1)))
        z += size[2]
    return Item("clutter", tuple(parts), (wide, wide, z))


def large(rng: Generator, style: Style, look_alikes: float) -> Item:
    """Return a thing that stands against a wall: a cabinet, counter, wardrobe or copier, which imitates table and
    bookcase.
    """
    material = style.palette.material("clutter" if rng.random() < 0.5 else "bookcase", rng)
    if rng.random() >= look_alikes:
        size = (rng.uniform(0.4, 0.5), rng.uniform(0.5, 0.65), rng.uniform(0.6, 1.4))
        parts = [box((0, 0, size[2] / 2), size, material)]
        drawers = range(max(1, int(size[2] / 0.33)))
        parts += [box((0, size[1] / 2, 0.2 + 0.33 * k), (0.14, 0.02, 0.02), Material(DARKS[0])) for k in drawers]
        return Item("clutter", tuple(parts), size, ((-0.2, 0.2, -0.25, 0.25, size[2]),) if size[2] < 1.3 else ())
    kind = rng.choice(["counter", "wardrobe", "copier"])
    if kind == "copier":
        size = (rng.uniform(0.6, 0.9), rng.uniform(0.6, 0.75), rng.uniform(0.85, 1.2))
        parts = [box((0, 0, size[2] / 2), size, material)]
        parts.append(box((0, -0.1, size[2] + 0.08), (size[0] * 0.8, size[1] * 0.6, 0.16), worn(material, rng, 0.2)))
        parts.append(box((size[0] / 2 + 0.12, 0, size[2] * 0.7), (0.25, size[1] * 0.6, 0.04), material))
        return Item("clutter", tuple(parts), (size[0] + 0.3, size[1], size[2]))
    if kind == "wardrobe":
        size = (rng.uniform(0.8, 1.3), rng.uniform(0.4, 0.6), rng.uniform(1.6, 2.2))
    else:
        size = (rng.uniform(0.9, 1.8), rng.uniform(0.45, 0.65), rng.uniform(0.7, 0.95))
    parts = [box((0, 0, size[2] / 2), size, material)]
    doors = max(1, round(size[0] / 0.5))
    for k in range(doors):
        x = -size[0] / 2 + (k + 0.5) * size[0] / doors
        parts.append(
            box(
                (x, size[1] / 2, size[2] / 2),
                (size[0] / doors - 0.015, 0.03, size[2] - 0.05),
                worn(material, rng, 0.05),
            )
        )
    tops = ((-size[0] / 2, size[0] / 2, -size[1] / 2, size[1] / 2, size[2]),) if size[2] < 1.3 else ()
    return Item("clutter", tuple(parts), size, tops)


def scattered(
    rng: Generator, top: tuple[float, float, float, float, float], count: int
) -> list[tuple[float, float, float, float]]:
    """Return places (x, y, z, yaw) for ``count`` things on a free surface, at some distance from its edges."""
    x0, x1, y0, y1, z = top
    return [
        (
            float(rng.uniform(x0 * 0.75, x1 * 0.75)),
            float(rng.uniform(y0 * 0.6, y1 * 0.6)),
            z,
            float(rng.normal(0, 0.3) + np.pi * (rng.random() < 0.3)),
        )
        for _ in range(count)
    ]
