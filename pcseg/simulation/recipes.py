"""List the contents of each type of room: ranges of its size and of the number of each thing."""

from __future__ import annotations

from dataclasses import dataclass

Count = tuple[int, int]
"""Smallest and largest number, both included."""


@dataclass(frozen=True)
class Recipe:
    """Ranges of width, depth (meters) and of counts; ``desks`` come with a chair, ``meeting`` tables with chairs round
    them.
    """

    width: tuple[float, float]
    depth: tuple[float, float]
    doors: Count = (1, 1)
    windows: Count = (0, 2)
    boards: Count = (0, 1)
    columns: Count = (0, 1)
    beams: Count = (0, 1)
    ducts: Count = (0, 1)
    desks: Count = (0, 0)
    meeting: Count = (0, 0)
    sofas: Count = (0, 0)
    seats: Count = (0, 1)
    bookcases: Count = (0, 1)
    cabinets: Count = (0, 1)
    on_floor: Count = (2, 5)
    on_tables: Count = (1, 4)
    on_walls: Count = (1, 3)


RECIPES = {
    "office": Recipe(
        (3.4, 5.2), (3.2, 4.8), desks=(1, 3), seats=(1, 3), bookcases=(1, 3), sofas=(0, 1), windows=(1, 2),
        cabinets=(0, 2)
    ),
    "conferenceRoom": Recipe(
        (4.6, 7.0), (3.8, 5.2), meeting=(1, 1), boards=(1, 2), windows=(1, 3), beams=(0, 2), seats=(0, 3),
        cabinets=(0, 2)
    ),
    "hallway": Recipe(
        (7.0, 11.0), (1.9, 2.8), doors=(3, 6), windows=(0, 2), boards=(0, 2), columns=(1, 3), beams=(1, 3),
        ducts=(0, 2), bookcases=(0, 2), seats=(0, 3), sofas=(0, 1), cabinets=(0, 2),
    ),
    "lounge": Recipe(
        (4.8, 7.0), (4.2, 6.0), sofas=(2, 4), meeting=(0, 1), bookcases=(0, 2), windows=(1, 3), boards=(0, 1),
        seats=(1, 4), columns=(0, 2), cabinets=(0, 2), doors=(1, 2),
    ),
    "storage": Recipe(
        (3.0, 4.8), (2.6, 4.0), bookcases=(2, 5), cabinets=(1, 3), on_floor=(4, 9), windows=(0, 1), beams=(0, 2),
        ducts=(0, 2), desks=(0, 2), seats=(0, 2),
    ),
    "openspace": Recipe(
        (6.5, 9.0), (5.0, 7.0), desks=(3, 6), meeting=(0, 1), sofas=(1, 3), bookcases=(1, 3), boards=(1, 2),
        columns=(1, 3), beams=(1, 2), windows=(2, 4), doors=(1, 2), on_floor=(3, 7), seats=(1, 4),
    ),
    "copyRoom": Recipe(
        (3.0, 5.0), (2.8, 4.0), cabinets=(2, 4), desks=(0, 2), bookcases=(1, 2), boards=(0, 2), columns=(0, 1),
        beams=(0, 1), seats=(0, 2)
    ),
    "lobby": Recipe(
        (5.5, 8.0), (4.5, 6.5), doors=(2, 3), sofas=(1, 3), columns=(1, 3), beams=(1, 2), windows=(1, 3), seats=(1, 4),
        meeting=(0, 1)
    ),
}  # fmt: skip

ORDER = ("office", "conferenceRoom", "hallway", "lounge", "storage", "openspace", "office", "lobby", "copyRoom")
"""Types of the rooms of an area, in the order in which they are added, cyclically."""
