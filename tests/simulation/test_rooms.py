"""Most rooms have every class, areas are not copies of each other, and the difficulty has its effect."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pcseg.classes import S3DIS
from pcseg.errors import InputError
from pcseg.simulation import Difficulty, draw_room, room_names


def test_every_class_occurs_in_most_areas() -> None:
    rooms = {area: Counter[int]() for area in range(1, 7)}
    for area, counts in rooms.items():
        for index in range(8):
            counts.update(set(draw_room(0, area, index, Difficulty()).label.tolist()))
    for label, name in enumerate(S3DIS.names):
        assert sum(counts[label] > 0 for counts in rooms.values()) >= 5, name
        assert sum(rooms[area][label] for area in (1, 2, 3, 4, 6)) >= 8, name
        assert rooms[5][label] >= 2, name


def test_rooms_differ_by_seed_area_and_number_and_by_nothing_else() -> None:
    first = draw_room(0, 1, 0, Difficulty())
    again = draw_room(0, 1, 0, Difficulty())
    assert (first.solids.center == again.solids.center).all()
    assert (first.surfaces.color == again.surfaces.color).all()
    sizes = {draw_room(*key, Difficulty()).size for key in ((0, 1, 0), (1, 1, 0), (0, 2, 0), (0, 1, 6))}
    assert len(sizes) == 4


def test_names_are_numbered_by_type() -> None:
    names = room_names(12)
    assert len(set(names)) == 12
    assert names[0] == "office_1"
    assert "office_2" in names
    assert room_names(3) == names[:3]


def test_clutter_can_be_cleared_away() -> None:
    def things(clutter: float) -> int:
        rooms = [draw_room(0, 1, index, Difficulty(clutter=clutter)) for index in (0, 4)]
        return sum(len(np.unique(room.instance[room.label == S3DIS.index("clutter")])) for room in rooms)

    assert things(0) < things(1) < things(3)


def test_color_overlap_lets_a_class_take_any_color() -> None:
    def spread(overlap: float) -> float:
        rooms = [draw_room(0, 1, index, Difficulty(color_overlap=overlap, style=0)) for index in range(8)]
        column = np.concatenate([r.surfaces.color[r.label == S3DIS.index("column")] for r in rooms])
        return float(column.std(axis=0).sum())

    assert spread(1.0) > 1.5 * spread(0.0)


@pytest.mark.parametrize("setting", ["shape_overlap=1.5", "clutter=-1", "range_noise=nan"])
def test_impossible_difficulty_is_refused(setting: str) -> None:
    name, value = setting.split("=")
    with pytest.raises(InputError, match=name):
        Difficulty(**{name: float(value)})
