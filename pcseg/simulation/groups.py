"""Place groups of things: a desk with its chair, a table with chairs, a sofa and a low table, lamps in rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pcseg.simulation import clutter, fixtures, furniture
from pcseg.simulation.furniture import Generator, Item, Style
from pcseg.simulation.materials import Material
from pcseg.simulation.plan import Plan, Pose
from pcseg.simulation.solids import box


def column(plan: Plan, rng: Generator, style: Style, paint: Material) -> None:
    """Place a column against a wall or free; or, as its look-alike, a shaft that belongs to the walls."""
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


def stand(plan: Plan, item: Item) -> None:
    pose = plan.free_pose(item.size[:2])
    if pose:
        plan.put(item, pose)


def topped(plan: Plan, rng: Generator, style: Style, item: Item, ahead: float = 0.1) -> Pose | None:
    """Place an item against a wall and put small things on it."""
    pose = plan.against_wall(item, ahead)
    if pose:
        _lay(plan, rng, style, item, pose, int(rng.integers(0, 3)))
    return pose


def _lay(plan: Plan, rng: Generator, style: Style, item: Item, pose: Pose, count: int) -> None:
    for top in item.tops:
        for place in clutter.scattered(rng, top, count):
            plan.put(clutter.small(rng, style), pose, place)


def desk(plan: Plan, rng: Generator, style: Style) -> None:
    """Place a desk, usually against a wall, with a chair before it and things on it."""
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


def meeting(plan: Plan, rng: Generator, style: Style) -> None:
    """Place a large table with chairs all round."""
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


def sofa(plan: Plan, rng: Generator, style: Style) -> None:
    """Place a sofa, sometimes with a low table before it."""
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


def overhead(
    plan: Plan, rng: Generator, style: Style, ceiling: Material, paint: Material, beams: int, ducts: int
) -> None:
    """Place beams, ducts that imitate them, and a lowered strip that belongs to the ceiling."""
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


def lamps(plan: Plan, rng: Generator) -> np.ndarray:
    """Place lamps in a regular pattern, and return the positions (L, 3) of their light."""
    x, y, z = plan.size
    columns, rows = max(1, round(x / rng.uniform(2.2, 3.2))), max(1, round(y / rng.uniform(2.2, 3.2)))
    kind = int(rng.integers(1 << 32))
    for i in range(columns):
        for j in range(rows):
            lamp = fixtures.lamp(np.random.default_rng(kind), z)
            plan.put(lamp, ((i + 0.5) * x / columns, (j + 0.5) * y / rows, 0.0))
    spread = [((i + 0.5) * x / min(columns, 2), y / 2, z - 0.55) for i in range(min(columns, 2))]
    return np.array([*spread, (rng.uniform(0.2, 0.8) * x, rng.uniform(0.1, 0.9) * y, rng.uniform(1.3, z - 0.6))])
