"""Draw a room: its size, paint, light and contents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcseg.classes import S3DIS
from pcseg.simulation import clutter, fixtures, furniture, groups
from pcseg.simulation.difficulty import Difficulty
from pcseg.simulation.furniture import Generator, Style
from pcseg.simulation.materials import (
    FABRICS,
    GRAIN,
    GRAYS,
    SPECKLE,
    TILES,
    WHITES,
    WOODS,
    Material,
    Surfaces,
    draw_palette,
    pack_materials,
    worn,
)
from pcseg.simulation.plan import Plan
from pcseg.simulation.recipes import ORDER, RECIPES, Count
from pcseg.simulation.solids import Solids, pack


@dataclass(frozen=True)
class Room:
    """A furnished room in its own frame, a corner of its floor at the origin.

    ``size`` (x, y, z) meters; ``solids`` and ``surfaces`` of S solids, with ``label`` (S,), an index into the S3DIS
    classes, and ``instance`` (S,), the object of each solid. ``lights`` (L, 3) positions, ``glow`` (L, 3) their colors,
    ``ambient`` (3,) light from everywhere.
    """

    name: str
    size: tuple[float, float, float]
    solids: Solids
    surfaces: Surfaces
    label: np.ndarray
    instance: np.ndarray
    lights: np.ndarray
    glow: np.ndarray
    ambient: np.ndarray


def room_names(rooms: int) -> list[str]:
    """Return the names of the first ``rooms`` rooms of an area: ``office_1``, ``conferenceRoom_1``, ..."""
    kinds = [ORDER[k % len(ORDER)] for k in range(rooms)]
    return [f"{kind}_{kinds[: k + 1].count(kind)}" for k, kind in enumerate(kinds)]


def draw_style(seed: int, area: int, difficulty: Difficulty) -> tuple[Style, float]:
    """Return the style of an area (1, 2, ...) and the height of its ceilings in meters."""
    rng = np.random.default_rng([seed, area])
    spread = difficulty.style
    palette = draw_palette(rng, spread, difficulty.color_overlap)
    tall, wide = np.exp(rng.normal(0, 0.06 * spread)), np.exp(rng.normal(0, 0.10 * spread))
    return Style(palette, float(tall), float(wide), difficulty.shape_overlap), float(2.85 + 0.4 * spread * rng.normal())


def draw_room(seed: int, area: int, index: int, difficulty: Difficulty) -> Room:
    """Return room number ``index`` (from 0) of an area, a function of the arguments alone."""
    style, height = draw_style(seed, area, difficulty)
    rng = np.random.default_rng([seed, area, index, 0])
    name = room_names(index + 1)[-1]
    recipe = RECIPES[name.partition("_")[0]]
    size = (
        float(rng.uniform(*recipe.width)),
        float(rng.uniform(*recipe.depth)),
        float(np.clip(height + rng.normal(0, 0.2), 2.45, 3.8)),
    )
    plan = Plan(size, rng)

    def times(count: Count, factor: float = 1.0) -> range:
        return range(round(int(rng.integers(count[0], count[1] + 1)) * factor))

    paint = fixtures.wall_paint(rng, style)
    ceiling = worn(
        Material(WHITES[rng.integers(len(WHITES))], TILES if rng.random() < 0.4 else 0, 0.04, 0.6, GRAYS[0]), rng
    )
    for _ in times(recipe.doors):
        plan.hang(*fixtures.door(rng, style, paint), opens=True)
    for _ in times(recipe.windows):
        plan.hang(*fixtures.window(rng, style, size[2]), opens=True)
    for _ in times(recipe.meeting):
        groups.meeting(plan, rng, style)
    for _ in times(recipe.columns):
        groups.column(plan, rng, style, paint)
    for _ in times(recipe.boards):
        plan.hang(*fixtures.board(rng, style))
    for _ in times(recipe.sofas):
        groups.sofa(plan, rng, style)
    for _ in times(recipe.bookcases):
        plan.against_wall(furniture.bookcase(rng, style), ahead=0.1)
    for _ in times(recipe.desks):
        groups.desk(plan, rng, style)
    for _ in times(recipe.cabinets, difficulty.clutter):
        groups.topped(plan, rng, style, clutter.large(rng, style, difficulty.look_alikes))
    for _ in times(recipe.seats):
        groups.stand(plan, furniture.chair(rng, style))
    for _ in times(recipe.on_floor, difficulty.clutter):
        groups.stand(plan, clutter.floor(rng, style))
    for _ in times(recipe.on_walls, difficulty.clutter):
        plan.hang(*(fixtures.poster if rng.random() < 0.75 else fixtures.radiator)(rng, style))
    groups.overhead(
        plan, rng, style, ceiling, paint, len(times(recipe.beams)), len(times(recipe.ducts, difficulty.clutter))
    )
    lights = groups.lamps(plan, rng)
    accent = fixtures.wall_paint(rng, style) if rng.random() < 0.3 else paint
    plan.shell(paint, accent, _flooring(rng), ceiling)
    return assemble(name, plan, lights, rng, difficulty.light)


def assemble(name: str, plan: Plan, lights: np.ndarray, rng: Generator, spread: float) -> Room:
    """Return the room of a plan as arrays, with ``lights`` (L, 3) on; ``spread`` is Difficulty.light."""
    parts = [(k, thing.label, part) for k, thing in enumerate(plan.things) for part in thing.parts]
    warmth = np.array([0.12, 0.0, -0.16]) * rng.normal(0, spread)
    level = np.exp(rng.normal(0, 0.35 * spread))
    glow = level * (1 + warmth) * np.exp(rng.normal(0, 0.4 * spread, (len(lights), 1)))
    return Room(
        name,
        plan.size,
        pack([part for *_, part in parts]),
        pack_materials([part.material for *_, part in parts]),
        np.array([S3DIS.index(label) for _, label, _ in parts]),
        np.array([k for k, *_ in parts]),
        lights,
        glow,
        level * rng.uniform(0.35, 0.55) * (1 + 0.5 * warmth),
    )


def _flooring(rng: Generator) -> Material:
    """Return carpet, tiles, linoleum or boards."""
    kind = rng.integers(4)
    if kind == 0:
        color = (GRAYS + FABRICS)[rng.integers(len(GRAYS + FABRICS))]
        return worn(Material(color, SPECKLE, 0.12, 0.02), rng)
    if kind == 1:
        return worn(Material((GRAYS + WHITES)[rng.integers(8)], TILES, 0.05, rng.choice([0.3, 0.5]), GRAYS[2]), rng)
    if kind == 2:
        return worn(Material((GRAYS + WOODS)[rng.integers(9)], contrast=0.08, scale=0.9), rng)
    return worn(Material(WOODS[rng.integers(len(WOODS))], GRAIN, 0.15, 0.5), rng)
