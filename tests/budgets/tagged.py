"""Two rooms with tags, shared by the tests of tags, their file and their imports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pcseg.budgets.draw import draw_tags
from pcseg.budgets.tags import Tags
from tests.scenes.rooms import CLASSES, room

ROOMS = [room("Area_1/a", 400), replace(room("Area_1/b", 300, (0, 3)), origin=np.array([500_000.0, 4e6, 10.0]))]
RADIUS = 0.6


def drawn() -> Tags:
    """Return the tags of three balls in each room."""
    return draw_tags(ROOMS, CLASSES, seed=3, radius=RADIUS, points=3)


def named(tags: np.ndarray) -> set[str]:
    """Return the names of the classes that ``tags`` (K,) marks."""
    return {name for name, known in zip(CLASSES.names, tags, strict=True) if known}
