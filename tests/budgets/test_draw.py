"""The rules of drawing: how many, of which points, the same ones again, and fewer of them as a part of more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.budgets.draw import (
    classes_held,
    draw_clicks,
    draw_per_class,
    draw_points,
    draw_scenes,
    draw_uniform,
)
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.scenes.scene import Scene
from tests.scenes.rooms import CLASSES, room

ROOMS = [room("Area_1/a", 400), room("Area_1/b", 1000, (0, 3)), room("Area_2/a", 7)]
fractions = st.floats(1e-4, 1.0)
seeds = st.integers(0, 2**31)


def chosen(labels: WeakLabels) -> list[set[int]]:
    return [set(scene.index.tolist()) for scene in labels.scenes]


def nested(small: WeakLabels, large: WeakLabels) -> bool:
    return all(a <= b for a, b in zip(chosen(small), chosen(large), strict=True))


@given(fraction=fractions, seed=seeds)
@settings(max_examples=50, deadline=None)
def test_uniform_takes_the_floor_of_the_share_and_at_least_one(fraction: float, seed: int) -> None:
    labels = draw_uniform(ROOMS, CLASSES, fraction, seed)
    for scene, entry in zip(ROOMS, labels.scenes, strict=True):
        assert len(entry.index) == max(1, int(len(scene) * fraction + 1e-9))
        assert scene.segment is not None
        assert (scene.segment[entry.index] == entry.label).all()


@given(fraction=fractions, seed=seeds)
@settings(max_examples=30, deadline=None)
def test_per_class_gives_each_class_its_share_and_at_least_one(fraction: float, seed: int) -> None:
    labels = draw_per_class(ROOMS, CLASSES, fraction, seed)
    for scene, entry in zip(ROOMS, labels.scenes, strict=True):
        assert scene.segment is not None
        assert (entry.label != IGNORE).all()
        for c in np.unique(scene.segment[scene.segment != IGNORE]):
            expected = max(1, int((scene.segment == c).sum() * fraction + 1e-9))
            assert (entry.label == c).sum() == expected


@given(seed=seeds, small=fractions, large=fractions, points=st.integers(1, 500))
@settings(max_examples=30, deadline=None)
def test_smaller_budgets_are_part_of_larger_ones(seed: int, small: float, large: float, points: int) -> None:
    small, large = min(small, large), max(small, large)
    assert nested(draw_uniform(ROOMS, CLASSES, small, seed), draw_uniform(ROOMS, CLASSES, large, seed))
    assert nested(draw_per_class(ROOMS, CLASSES, small, seed), draw_per_class(ROOMS, CLASSES, large, seed))
    assert nested(draw_points(ROOMS, CLASSES, points, seed), draw_points(ROOMS, CLASSES, points + 3, seed))


def test_fractions_that_binary_numbers_miss_are_not_rounded_down() -> None:
    assert draw_uniform([room("A/a", 100)], CLASSES, 0.29).spent == 29


def test_a_click_for_each_object_that_has_a_class() -> None:
    scene = ROOMS[0]
    assert scene.instance is not None
    assert scene.segment is not None
    entry = draw_clicks([scene], CLASSES, 3).scenes[0]
    objects = set(scene.instance[(scene.instance >= 0) & (scene.segment != IGNORE)].tolist())
    assert len(entry.index) == len(objects)
    assert set(scene.instance[entry.index].tolist()) == objects
    assert (entry.label != IGNORE).all()


def test_draws_depend_on_seed_and_name_alone() -> None:
    alone, among = draw_points(ROOMS[1:2], CLASSES, 9, 5), draw_points(ROOMS[::-1], CLASSES, 9, 5)
    assert chosen(alone)[0] == chosen(among)[1]
    assert draw_points(ROOMS, CLASSES, 9, 5).sha256 == draw_points(ROOMS, CLASSES, 9, 5).sha256
    assert draw_points(ROOMS, CLASSES, 9, 6).sha256 != draw_points(ROOMS, CLASSES, 9, 5).sha256
    renamed = replace(ROOMS[1], name="Area_9/b")
    assert chosen(draw_points([renamed], CLASSES, 9, 5)) != chosen(alone)


def test_points_are_drawn_from_the_whole_scene() -> None:
    """The lists of CPCM were not: few of their points lie in the upper half of the file."""
    scene = room("A/large", 20_000)
    for labels in (draw_uniform([scene], CLASSES, 0.1), draw_per_class([scene], CLASSES, 0.1)):
        upper = (labels.scenes[0].index >= len(scene) // 2).mean()
        assert 0.45 < upper < 0.55


def test_points_without_a_class_are_spent_but_not_labels() -> None:
    scene = room("A/u", 1000, unknown=0.5)
    labels = draw_points([scene], CLASSES, 200)
    assert labels.spent == 200
    assert 60 < labels.count < 140


def test_a_scene_of_unknown_points_only_gives_no_label() -> None:
    scene = room("A/none", 50, unknown=1.0)
    assert draw_per_class([scene], CLASSES, 0.5).spent == 0
    assert draw_clicks([scene], CLASSES).spent == 0
    labels = draw_uniform([scene], CLASSES, 0.5)
    assert (labels.count, labels.spent) == (0, 25)
    assert "scenes without any label: 1" in labels.summary()


def test_more_points_than_there_are_takes_all() -> None:
    assert draw_points(ROOMS, CLASSES, 10**6).spent == sum(map(len, ROOMS))


BUILDING = [room(f"Area_{i % 3}/{i}", 20 + i) for i in range(12)]
NAMES = [scene.name for scene in BUILDING]


@given(seed=seeds, count=st.integers(0, 12))
@settings(max_examples=20, deadline=None)
def test_whole_scenes_are_labeled_and_others_not_at_all(seed: int, count: int) -> None:
    labels = draw_scenes(BUILDING, CLASSES, NAMES, count, seed=seed)
    chosen = labels.labeled(NAMES)
    assert chosen.sum() == count
    for scene, entry, known in zip(BUILDING, labels.scenes, chosen, strict=True):
        assert scene.name in labels
        assert scene.segment is not None
        expected = scene.segment if known else np.full(len(scene), IGNORE)
        assert np.array_equal(labels.labels(scene), expected)
        assert len(entry.index) == (len(scene) if known else 0)


@given(seed=seeds, few=st.integers(0, 11), fraction=fractions)
@settings(max_examples=20, deadline=None)
def test_fewer_labeled_scenes_are_part_of_more(seed: int, few: int, fraction: float) -> None:
    few_labels = draw_scenes(BUILDING, CLASSES, NAMES, few, seed=seed)
    assert nested(few_labels, draw_scenes(BUILDING, CLASSES, NAMES, few + 1, seed=seed))
    share = draw_scenes(BUILDING, CLASSES, NAMES, fraction=fraction, seed=seed)
    assert share.labeled(NAMES).sum() == max(1, int(12 * fraction + 1e-9))
    assert nested(share, draw_scenes(BUILDING, CLASSES, NAMES, 12, seed=seed))


def test_the_labeled_scenes_depend_on_seed_and_names_alone() -> None:
    labels = draw_scenes(BUILDING, CLASSES, NAMES, 4, seed=1)
    turned = draw_scenes(BUILDING[::-1], CLASSES, NAMES[::-1], 4, seed=1)
    assert np.array_equal(labels.labeled(NAMES), turned.labeled(NAMES))
    others = [draw_scenes(BUILDING, CLASSES, NAMES, 4, seed=seed).labeled(NAMES) for seed in range(2, 6)]
    assert not all(np.array_equal(labels.labeled(NAMES), other) for other in others)
    assert (labels.rule, labels.parameters) == ("scenes", {"scenes": 4})
    assert draw_scenes(BUILDING, CLASSES, NAMES, fraction=0.5).parameters == {"fraction": 0.5}


RARE = [room(f"Area_1/{i}", 40, (3,) if i == 5 else (0, 1)) for i in range(12)]
"""Rooms of which one alone has a board, and none a chair."""


@pytest.mark.parametrize("seed", range(5))
def test_scenes_are_drawn_again_until_they_hold_every_class(seed: int) -> None:
    names = [scene.name for scene in RARE]
    held = classes_held(RARE, CLASSES)
    present = {scene.name: set(scene.segment[scene.segment != IGNORE].tolist()) for scene in RARE}  # type: ignore[index]
    assert {name: set(np.flatnonzero(row).tolist()) for name, row in held.items()} == present
    labels = draw_scenes(RARE, CLASSES, names, 2, seed=seed, holds=held)
    chosen = [scene.name for scene in labels.scenes if scene.count]
    assert len(chosen) == 2
    assert set.union(*(present[name] for name in chosen)) == set.union(*present.values()) == {0, 1, 3}
    assert labels.sha256 == draw_scenes(RARE, CLASSES, names, 2, seed=seed, holds=held).sha256
    draws = labels.parameters["draws"]
    assert labels.parameters == {"scenes": 2, "every_class": True, "draws": draws}
    first = draw_scenes(RARE, CLASSES, names, 2, seed=seed)
    assert (draws == 1) == ("Area_1/5" in [scene.name for scene in first.scenes if scene.count])
    if draws == 1:
        assert np.array_equal(first.labeled(names), labels.labeled(names))


def test_too_few_scenes_to_hold_every_class() -> None:
    names, held = [scene.name for scene in RARE], classes_held(RARE, CLASSES)
    for count, absent in ((1, "board"), (0, "floor, wall, board")):
        with pytest.raises(InputError, match=rf"scenes={count}: in none of 1000 draws .* \(the best lacked {absent}\)"):
            draw_scenes(RARE, CLASSES, names, count, holds=held)


def bare(name: str) -> Scene:
    """Return a room without one of its attributes."""
    return replace(ROOMS[0], attributes={key: a for key, a in ROOMS[0].attributes.items() if key != name})


@pytest.mark.parametrize(
    ("action", "named"),
    [
        (lambda: draw_uniform(ROOMS, CLASSES, 0.0), "fraction=0"),
        (lambda: draw_per_class(ROOMS, CLASSES, 1.5), "fraction=1.5"),
        (lambda: draw_uniform(ROOMS, CLASSES, float("nan")), "fraction=nan"),
        (lambda: draw_points(ROOMS, CLASSES, 0), "points=0"),
        (lambda: draw_points(ROOMS, CLASSES, 5, -1), "seed=-1"),
        (lambda: draw_scenes(ROOMS, CLASSES, NAMES, 13), "scenes=13: must be from 0 to 12"),
        (lambda: draw_scenes(ROOMS, CLASSES, NAMES, -1), "scenes=-1: must be from 0 to 12"),
        (lambda: draw_scenes(ROOMS, CLASSES, NAMES), "scenes=None, fraction=None: give one"),
        (lambda: draw_scenes(ROOMS, CLASSES, NAMES, 3, 0.5), "scenes=3, fraction=0.5: give one"),
        (lambda: draw_scenes(ROOMS, CLASSES, NAMES, fraction=2.0), "fraction=2"),
        (lambda: draw_scenes(ROOMS, CLASSES, NAMES, 1, seed=-1), "seed=-1"),
        (lambda: draw_points([bare("segment")], CLASSES, 5), "segment.npy"),
        (lambda: draw_clicks([bare("instance")], CLASSES), "instance.npy"),
        (lambda: draw_points(ROOMS, Classes(("other",)), 5), "other"),
        (lambda: draw_points([ROOMS[0], ROOMS[0]], CLASSES, 5), "twice"),
    ],
)
def test_mistakes_are_named_in_one_line(action: object, named: str) -> None:
    with pytest.raises(InputError) as error:
        action()  # type: ignore[operator]
    assert named in str(error.value)
    assert "\n" not in str(error.value)
