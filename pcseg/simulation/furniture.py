"""Make furniture that stands on the floor: tables, chairs, sofas, bookcases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pcseg.simulation.materials import DARKS, SPINES, Material, Palette, worn
from pcseg.simulation.solids import Part, box, cylinder

Generator = np.random.Generator


@dataclass(frozen=True)
class Style:
    """The common style of an area or a room; ``tall`` and ``wide`` scale the proportions of furniture."""

    palette: Palette
    tall: float
    wide: float
    overlap: float

    def alike(self, rng: Generator) -> bool:
        """Return whether the next object takes the shape of its look-alike."""
        return bool(rng.random() < self.overlap)


@dataclass(frozen=True)
class Item:
    """An object about its own origin on the floor, front towards +y.

    ``size`` (x, y, z) in meters; ``tops`` are free surfaces (x0, x1, y0, y1, z) that can carry things.
    """

    label: str
    parts: tuple[Part, ...]
    size: tuple[float, float, float]
    tops: tuple[tuple[float, float, float, float, float], ...] = ()


Maker = Callable[[Generator, Style], Item]


def table(rng: Generator, style: Style, size: tuple[float, float] | None = None, low: bool = False) -> Item:
    """Return a table or desk: four legs, panel sides, a pedestal or a closed front; ``low`` is a coffee table."""
    width, depth = size or (rng.uniform(1.0, 1.8) * style.wide, rng.uniform(0.6, 0.9))
    height = rng.uniform(0.36, 0.5) if low else rng.uniform(0.66, 0.82) * style.tall
    top, legs = style.palette.material("table", rng), style.palette.material("metal", rng)
    thick = rng.uniform(0.025, 0.05)
    shape = rng.choice(["legs", "panels", "pedestal", "closed"], p=[0.45, 0.3, 0.15, 0.1])
    if style.alike(rng):
        shape = rng.choice(["panels", "closed"])
    if shape == "pedestal" and size is None:
        width = depth = rng.uniform(0.7, 1.2)
    slab = cylinder if shape == "pedestal" and width == depth else box
    parts = [slab((0, 0, height - thick / 2), (width, depth, thick), top)]
    below = height - thick
    if shape == "legs":
        edge = rng.uniform(0.03, 0.06)
        parts += [box((x, y, below / 2), (edge, edge, below), legs) for x, y in _corners(width, depth, 0.06)]
    elif shape == "pedestal":
        parts.append(cylinder((0, 0, below / 2), (0.1, 0.1, below), legs))
        parts.append(cylinder((0, 0, 0.02), (0.55 * depth, 0.55 * depth, 0.04), legs))
    else:
        sides = [(x * (width / 2 - 0.02), 0, below / 2) for x in (-1, 1)]
        parts += [box(side, (0.04, depth * 0.95, below), top) for side in sides]
        tall = below * (0.95 if shape == "closed" else rng.uniform(0.3, 0.7))
        parts.append(box((0, -depth / 2 + 0.08, below - tall / 2), (width - 0.08, 0.025, tall), top))
        if rng.random() < 0.6:
            drawers = rng.uniform(0.35, 0.5)
            place = (width / 2 - drawers / 2 - 0.04) * rng.choice([-1, 1])
            parts.append(box((place, 0.02, below - 0.3), (drawers, depth * 0.8, 0.6), worn(top, rng)))
    return Item(
        "table", tuple(parts), (width, depth, height), ((-width / 2, width / 2, -depth / 2, depth / 2, height),)
    )


def chair(rng: Generator, style: Style) -> Item:
    """Return an office chair on a star base, a four-legged chair, a stool, or an armchair that looks like a small
    sofa.
    """
    cloth, frame = style.palette.material("chair", rng), style.palette.material("metal", rng)
    if style.alike(rng) and rng.random() < 0.6:
        return _upholstered(rng, style, "chair", rng.uniform(0.62, 0.85), cloth)
    width, depth = rng.uniform(0.42, 0.54), rng.uniform(0.40, 0.52)
    seat = rng.uniform(0.42, 0.52) * style.tall
    kind = rng.choice(["office", "legs", "shell", "stool"], p=[0.45, 0.35, 0.12, 0.08])
    thick = 0.08 if kind == "office" else 0.04
    parts = [box((0, 0, seat - thick / 2), (width, depth, thick), cloth)]
    rise, lean = rng.uniform(0.32, 0.58), rng.uniform(0.05, 0.25)
    if kind != "stool":
        back = (0.0, -depth / 2 - np.sin(lean) * rise / 2, seat + 0.06 + rise / 2)
        parts.append(box(back, (width * rng.uniform(0.85, 1), 0.05, rise), cloth, pitch=lean))
    if kind == "office":
        parts.append(cylinder((0, 0, seat / 2), (0.06, 0.06, seat - 0.1), frame))
        spin = rng.uniform(0, 2 * np.pi)
        for k in range(5):
            angle = spin + k * 2 * np.pi / 5
            parts.append(box((0.15 * np.cos(angle), 0.15 * np.sin(angle), 0.06), (0.30, 0.05, 0.05), frame, yaw=angle))
    else:
        leg = (0.035, 0.035, seat - thick)
        parts += [box((x, y, (seat - thick) / 2), leg, frame) for x, y in _corners(width, depth, 0.03)]
    if (kind == "office" and rng.random() < 0.6) or kind == "shell":
        for x in (-1, 1):
            parts.append(box((x * width / 2, 0, seat + 0.2), (0.05, depth * 0.7, 0.04), frame))
            parts.append(box((x * width / 2, 0, seat + 0.08), (0.03, 0.05, 0.22), frame))
    return Item("chair", tuple(parts), (width + 0.08, depth + 0.12, seat + rise))


def sofa(rng: Generator, style: Style) -> Item:
    """Return a sofa of one to three seats, sometimes without arms or back (a bench)."""
    seats = rng.choice([1, 2, 3], p=[0.25, 0.4, 0.35])
    width = (rng.uniform(0.75, 0.95) if seats == 1 else rng.uniform(0.58, 0.72) * seats + 0.3) * style.wide
    return _upholstered(rng, style, "sofa", width, style.palette.material("sofa", rng))


def _upholstered(rng: Generator, style: Style, label: str, width: float, cloth: Material) -> Item:
    """Return padded furniture of seat block, back and arms: a sofa, or a chair that imitates it."""
    depth, seat = rng.uniform(0.68, 0.92), rng.uniform(0.36, 0.46)
    back, arm, foot = rng.uniform(0.65, 0.88) * style.tall, rng.uniform(0.08, 0.2), rng.choice([0.0, 0.08, 0.14])
    other = worn(cloth, rng)
    parts = [box((0, 0, (seat + foot) / 2), (width, depth, seat - foot), cloth)]
    parts.append(box((0, -depth / 2 + 0.1, (back + foot) / 2), (width, 0.2, back - foot), cloth, pitch=0.06))
    if rng.random() < 0.8:
        tall = seat + rng.uniform(0.12, 0.24)
        sides = [(x * (width - arm) / 2, 0, (tall + foot) / 2) for x in (-1, 1)]
        parts += [box(side, (arm, depth, tall - foot), cloth) for side in sides]
    cushions = max(1, round(width / 0.65))
    wide = (width - 2 * arm) / cushions
    for k in range(cushions):
        x = -width / 2 + arm + (k + 0.5) * wide
        parts.append(box((x, 0.08, seat + 0.04), (wide * 0.96, depth - 0.24, 0.08), other))
    if foot:
        black = Material(DARKS[0])
        parts += [box((x, y, foot / 2), (0.05, 0.05, foot), black) for x, y in _corners(width, depth, 0.08)]
    return Item(label, tuple(parts), (width, depth, back))


def _corners(width: float, depth: float, inset: float) -> list[tuple[float, float]]:
    """Return the places of four legs."""
    return [(x * (width / 2 - inset), y * (depth / 2 - inset)) for x in (-1, 1) for y in (-1, 1)]


def bookcase(rng: Generator, style: Style) -> Item:
    """Return shelves between two sides, empty to full of books, some with doors below; low ones look like cabinets."""
    wood = style.palette.material("bookcase", rng)
    width, depth = rng.uniform(0.7, 1.3) * style.wide, rng.uniform(0.26, 0.42)
    height = rng.uniform(1.5, 2.3) * style.tall
    if style.alike(rng):
        height, depth = rng.uniform(0.75, 1.3), rng.uniform(0.35, 0.5)
    parts = [box((x * (width / 2 - 0.012), 0, height / 2), (0.025, depth, height), wood) for x in (-1, 1)]
    if rng.random() < 0.8:
        parts.append(box((0, -depth / 2 + 0.01, height / 2), (width, 0.02, height), wood))
    shelves = max(2, round(height / rng.uniform(0.32, 0.42)))
    gap, fill = height / shelves, rng.choice([0.15, 0.6, 0.9])
    closed = rng.integers(1, 3) if style.alike(rng) else 0
    for k in range(shelves + 1):
        z = min(k * gap + 0.012, height - 0.012)
        parts.append(box((0, 0, z), (width - 0.02, depth, 0.025), wood))
        if k < closed:
            parts.append(box((0, depth / 2 - 0.01, z + gap / 2), (width - 0.03, 0.02, gap), worn(wood, rng)))
        elif k < shelves and rng.random() < fill:
            long, tall = (width - 0.06) * rng.uniform(0.4, 1), gap * rng.uniform(0.6, 0.85)
            deep = min(depth - 0.04, rng.uniform(0.16, 0.26))
            x = (width - 0.06 - long) / 2 * rng.choice([-1, 1])
            books = Material(style.palette.color("clutter", rng), SPINES, 0.05, rng.uniform(0.03, 0.06))
            y = -depth / 2 + 0.02 + deep / 2 + rng.uniform(0, max(depth - 0.05 - deep, 0.001))
            parts.append(box((x, y, z + 0.012 + tall / 2), (long, deep, tall), books))
    tops = ((-width / 2, width / 2, -depth / 2, depth / 2, height),) if height < 1.6 else ()
    return Item("bookcase", tuple(parts), (width, depth, height), tops)
