"""Drawing a room: its size, paint and light, and what stands, hangs and lies in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pcseg.data.simulated import clutter, fixtures, furniture
from pcseg.data.simulated.difficulty import Difficulty
from pcseg.data.simulated.furniture import Generator, Item, Style
from pcseg.data.simulated.materials import (
    FABRICS,
    GRAIN,
    GREYS,
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
from pcseg.data.simulated.plan import Plan, Pose
from pcseg.data.simulated.recipes import ORDER, RECIPES, Count
from pcseg.data.simulated.solids import Solids, box, pack
from pcseg.labels import S3DIS


@dataclass(frozen=True)
class Room:
    """A furnished room in its own frame, a corner of its floor at the origin.

    ``size`` (x, y, z) metres; ``solids`` and ``surfaces`` of S solids, with ``label`` (S,), an index into the S3DIS
    classes, and ``instance`` (S,), the object a solid belongs to. ``lights`` (L, 3) positions, ``glow`` (L, 3) their
    colours, ``ambient`` (3,) light from everywhere.
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
    """Names of the first ``rooms`` rooms of an area: ``office_1``, ``conferenceRoom_1``, ..."""
    kinds = [ORDER[k % len(ORDER)] for k in range(rooms)]
    return [f"{kind}_{kinds[: k + 1].count(kind)}" for k, kind in enumerate(kinds)]


def draw_style(seed: int, area: int, difficulty: Difficulty) -> tuple[Style, float]:
    """The style of an area (1, 2, ...) and the height of its ceilings in metres."""
    rng = np.random.default_rng([seed, area])
    spread = difficulty.style
    palette = draw_palette(rng, spread, difficulty.color_overlap)
    tall, wide = np.exp(rng.normal(0, 0.06 * spread)), np.exp(rng.normal(0, 0.10 * spread))
    return Style(palette, float(tall), float(wide), difficulty.shape_overlap), float(2.85 + 0.4 * spread * rng.normal())


def draw_room(seed: int, area: int, index: int, difficulty: Difficulty) -> Room:
    """Room number ``index`` (from 0) of an area: a function of its arguments alone."""
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
        Material(WHITES[rng.integers(len(WHITES))], TILES if rng.random() < 0.4 else 0, 0.04, 0.6, GREYS[0]), rng
    )
    for _ in times(recipe.doors):
        plan.hang(*fixtures.door(rng, style, paint), opens=True)
    for _ in times(recipe.windows):
        plan.hang(*fixtures.window(rng, style, size[2]), opens=True)
    for _ in times(recipe.meeting):
        _meeting(plan, rng, style)
    for _ in times(recipe.columns):
        _column(plan, rng, style, paint)
    for _ in times(recipe.boards):
        plan.hang(*fixtures.board(rng, style))
    for _ in times(recipe.sofas):
        _sofa(plan, rng, style)
    for _ in times(recipe.bookcases):
        plan.against_wall(furniture.bookcase(rng, style), ahead=0.1)
    for _ in times(recipe.desks):
        _desk(plan, rng, style)
    for _ in times(recipe.cabinets, difficulty.clutter):
        _topped(plan, rng, style, clutter.large(rng, style, difficulty.look_alikes))
    for _ in times(recipe.seats):
        _stand(plan, furniture.chair(rng, style))
    for _ in times(recipe.on_floor, difficulty.clutter):
        _stand(plan, clutter.floor(rng, style))
    for _ in times(recipe.on_walls, difficulty.clutter):
        plan.hang(*(fixtures.poster if rng.random() < 0.75 else fixtures.radiator)(rng, style))
    _overhead(plan, rng, style, ceiling, paint, len(times(recipe.beams)), len(times(recipe.ducts, difficulty.clutter)))
    lights = _lamps(plan, rng)
    accent = fixtures.wall_paint(rng, style) if rng.random() < 0.3 else paint
    plan.shell(paint, accent, _flooring(rng), ceiling)
    return _finish(name, plan, lights, rng, difficulty.light)


def _finish(name: str, plan: Plan, lights: np.ndarray, rng: Generator, spread: float) -> Room:
    """Turn the things into arrays and switch on the light."""
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
    """Carpet, tiles, linoleum or boards."""
    kind = rng.integers(4)
    if kind == 0:
        color = (GREYS + FABRICS)[rng.integers(len(GREYS + FABRICS))]
        return worn(Material(color, SPECKLE, 0.12, 0.02), rng)
    if kind == 1:
        return worn(Material((GREYS + WHITES)[rng.integers(8)], TILES, 0.05, rng.choice([0.3, 0.5]), GREYS[2]), rng)
    if kind == 2:
        return worn(Material((GREYS + WOODS)[rng.integers(9)], contrast=0.08, scale=0.9), rng)
    return worn(Material(WOODS[rng.integers(len(WOODS))], GRAIN, 0.15, 0.5), rng)


def _column(plan: Plan, rng: Generator, style: Style, paint: Material) -> None:
    """A column against a wall or free; or, as its look-alike, a shaft that belongs to the walls."""
    if style.alike(rng) and rng.random() < 0.4:
        width, depth = rng.uniform(0.5, 1.2), rng.uniform(0.2, 0.5)
        shaft = box((0, 0, plan.size[2] / 2), (width, depth, plan.size[2]), paint)
        plan.against_wall(Item("wall", (shaft,), (width, depth, plan.size[2])))
    item = fixtures.column(rng, style, plan.size[2], paint)
    if rng.random() < 0.6 or min(plan.size[:2]) < 4:
        plan.against_wall(item)
    else:
        pose = plan.free_pose(item.size[:2], gap=0.8)
        if pose:
            plan.put(item, (pose[0], pose[1], 0.0))


def _stand(plan: Plan, item: Item) -> None:
    pose = plan.free_pose(item.size[:2])
    if pose:
        plan.put(item, pose)


def _topped(plan: Plan, rng: Generator, style: Style, item: Item, ahead: float = 0.1) -> Pose | None:
    """Stand an item against a wall and put small things on it."""
    pose = plan.against_wall(item, ahead)
    if pose:
        _lay(plan, rng, style, item, pose, int(rng.integers(0, 3)))
    return pose


def _lay(plan: Plan, rng: Generator, style: Style, item: Item, pose: Pose, count: int) -> None:
    for top in item.tops:
        for place in clutter.scattered(rng, top, count):
            plan.put(clutter.small(rng, style), pose, place)


def _desk(plan: Plan, rng: Generator, style: Style) -> None:
    """A desk, most often against a wall, with a chair before it and things on it."""
    desk, chair = furniture.table(rng, style), furniture.chair(rng, style)
    pose = plan.against_wall(desk, ahead=0.55) if rng.random() < 0.7 else None
    if pose is None:
        pose = plan.free_pose((desk.size[0], desk.size[1] + 0.55), ahead=0.27)
        if pose is None:
            return
        plan.put(desk, pose)
    out = desk.size[1] / 2 + rng.uniform(0.0, 0.25)
    if chair.size[1] < 0.65:
        plan.put(chair, pose, (float(rng.normal(0, 0.15)), float(out), 0.0, float(np.pi + rng.normal(0, 0.4))))
    _lay(plan, rng, style, desk, pose, int(rng.integers(1, 5)))


def _meeting(plan: Plan, rng: Generator, style: Style) -> None:
    """A large table with chairs all round."""
    seats = max(1, int((max(plan.size[:2]) - 2.2) / rng.uniform(0.65, 0.9)))
    seats = min(seats, int(rng.integers(2, 6)))
    size = (seats * rng.uniform(0.65, 0.8), rng.uniform(0.9, 1.3))
    item = furniture.table(rng, style, size)
    pose = plan.free_pose((size[0] + 0.6, size[1] + 1.0), gap=0.1)
    if pose is None:
        return
    plan.put(item, pose)
    seed = int(rng.integers(1 << 32))
    for k in range(seats):
        for side in (-1, 1):
            chair = furniture.chair(np.random.default_rng(seed), replace(style, overlap=0))  # one model round the table
            if rng.random() < 0.85:
                place = ((k + 0.5) / seats - 0.5) * size[0] + rng.normal(0, 0.05)
                out = side * (size[1] / 2 + rng.uniform(0.02, 0.3))
                plan.put(chair, pose, (float(place), float(out), 0.0, float((side > 0) * np.pi + rng.normal(0, 0.25))))
    _lay(plan, rng, style, item, pose, int(rng.integers(1, 5)))


def _sofa(plan: Plan, rng: Generator, style: Style) -> None:
    """A sofa, sometimes with a low table before it."""
    item = furniture.sofa(rng, style)
    beside = rng.random() < 0.5
    ahead = 0.95 if beside else 0.2
    pose = plan.against_wall(item, ahead) if rng.random() < 0.75 else None
    if pose is None:
        pose = plan.free_pose((item.size[0], item.size[1] + ahead), ahead=ahead / 2)
        if pose is None:
            return
        plan.put(item, pose)
    if beside:
        low = furniture.table(rng, style, (rng.uniform(0.6, 1.1), rng.uniform(0.45, 0.6)), low=True)
        place = (0.0, float(item.size[1] / 2 + 0.3 + low.size[1] / 2), 0.0, float(rng.normal(0, 0.05)))
        plan.put(low, pose, place)
        turned = (pose[0] - np.sin(pose[2]) * place[1], pose[1] + np.cos(pose[2]) * place[1], pose[2])
        _lay(plan, rng, style, low, turned, int(rng.integers(0, 3)))


def _overhead(
    plan: Plan, rng: Generator, style: Style, ceiling: Material, paint: Material, beams: int, ducts: int
) -> None:
    """Beams, ducts that imitate them, and a lowered strip that belongs to the ceiling."""
    x, y, z = plan.size
    along = bool(rng.random() < 0.3) if x < 6 else False
    length, span = (x, y) if along else (y, x)
    strips = rng.permutation(beams + ducts)
    for k, place in enumerate(strips):
        at = float((place + rng.uniform(0.2, 0.8)) * span / len(strips))
        item = fixtures.beam(rng, style, length, z, ceiling if rng.random() < 0.5 else paint)
        if k >= beams:
            item = fixtures.duct(rng, style, length, z)
        plan.put(item, (x / 2, at, 0.0) if along else (at, y / 2, np.pi / 2))
    if style.alike(rng) and rng.random() < 0.5:
        wide, drop = rng.uniform(0.4, 1.0), rng.uniform(0.15, 0.4)
        wall = int(rng.integers(4))
        strip = box((0, wide / 2, z - drop / 2), (plan.length(wall), wide, drop), ceiling)
        plan.put(Item("ceiling", (strip,), (0, 0, 0)), plan.wall_pose(wall, plan.length(wall) / 2))


def _lamps(plan: Plan, rng: Generator) -> np.ndarray:
    """Lamps in a regular pattern; where their light comes from (L, 3)."""
    x, y, z = plan.size
    columns, rows = max(1, round(x / rng.uniform(2.2, 3.2))), max(1, round(y / rng.uniform(2.2, 3.2)))
    kind = int(rng.integers(1 << 32))
    for i in range(columns):
        for j in range(rows):
            lamp = fixtures.lamp(np.random.default_rng(kind), z)
            plan.put(lamp, ((i + 0.5) * x / columns, (j + 0.5) * y / rows, 0.0))
    spread = [((i + 0.5) * x / min(columns, 2), y / 2, z - 0.55) for i in range(min(columns, 2))]
    return np.array([*spread, (rng.uniform(0.2, 0.8) * x, rng.uniform(0.1, 0.9) * y, rng.uniform(1.3, z - 0.6))])
