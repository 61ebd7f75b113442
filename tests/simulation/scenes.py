"""Make small scenes for the tests of the simulated building."""

from __future__ import annotations

import numpy as np

from pcseg.simulation.furniture import Item
from pcseg.simulation.materials import Material
from pcseg.simulation.plan import Plan
from pcseg.simulation.rooms import Room, assemble
from pcseg.simulation.solids import Part, Solids, ball, box, cylinder
from tests.oracles.first_hit import Solid

GRAY = Material((0.5, 0.5, 0.5))
KINDS = ("box", "cylinder", "ellipsoid")


def as_oracle(solids: Solids) -> list[Solid]:
    """Return the same solids for the oracle."""
    return [(KINDS[kind], solids.center[s], solids.half[s], solids.rotation[s]) for s, kind in enumerate(solids.kind)]


def random_parts(seed: int, count: int = 12) -> list[Part]:
    """Return solids of all kinds and poses all round the origin, none of which contains it."""
    rng = np.random.default_rng(seed)
    parts: list[Part] = []
    while len(parts) < count:
        make = (box, cylinder, ball)[rng.integers(3)]
        center, size = rng.uniform(-3, 3, 3), rng.uniform(0.2, 2.5, 3)
        if np.linalg.norm(center) > np.linalg.norm(size) / 2 + 0.1:
            parts.append(make(center, size, GRAY, yaw=rng.uniform(0, 7), pitch=rng.uniform(-1, 1)))
    return parts


def plain_room(*things: tuple[str, Part], size: tuple[float, float, float] = (5.0, 4.0, 2.6)) -> Room:
    """Return a closed room with only the given things."""
    plan = Plan(size, np.random.default_rng(0))
    for label, part in things:
        plan.put(Item(label, (part,), (0, 0, 0)), (0, 0, 0))
    plan.shell(GRAY, GRAY, GRAY, GRAY)
    return assemble("test_1", plan, np.array([[size[0] / 2, size[1] / 2, 2.2]]), np.random.default_rng(0), 0.0)
