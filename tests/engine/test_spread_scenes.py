"""Labels spread over scenes in folders: what all scenes teach the forest, and what is kept in between."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.tags import SceneTags, Tags
from pcseg.classes import IGNORE, Classes
from pcseg.engine import kept_scenes, spread_scenes
from pcseg.engine.kept_scenes import SeenScene
from pcseg.engine.spread_scenes import SceneSpreading, overlapped
from pcseg.errors import InputError
from pcseg.feeding.features import Features
from pcseg.pseudo import Spreading
from pcseg.scenes.scene import Scene, write_scene
from tests.ops.clouds import torch_threads

CLASSES = Classes(("floor", "table"))


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two scenes: a floor and a table above it, of the same two colors."""
    found = []
    for number in range(2):
        rng = np.random.default_rng(number)
        coord = (rng.random((600, 3)) * [2, 2, 0.01]).astype(np.float32)
        coord[300:, 2] += 0.8
        color = np.full((600, 3), 200, np.uint8)
        color[300:] = 90, 60, 30
        scene = Scene(coord, {"color": color}, f"all/{number}", classes=CLASSES.names)
        found.append(write_scene(tmp_path, scene))
    return found


def spread(folders: list[Path], features: Features | None, at_random: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    spreading = SceneSpreading(Spreading(keep=0.0), CLASSES, features, 0.05, at_random)
    labels = [np.full(600, IGNORE), np.full(600, IGNORE)]
    labels[0][[5, 80, 350, 500]] = 0, 0, 1, 1
    forest = None
    if features is not None:
        forest = spreading.forest([spreading.examples(f, known) for f, known in zip(folders, labels, strict=True)])
    return [spreading(folder, known, forest) for folder, known in zip(folders, labels, strict=True)]


@pytest.mark.parametrize("at_random", [True, False])
def test_a_scene_without_labels_learns_from_the_others(folders: list[Path], at_random: bool) -> None:
    truth = (np.arange(600) >= 300).astype(np.int64)
    (first, _), (second, confidence) = spread(folders, Features(["color"]), at_random)
    assert (first == truth).mean() > 0.98
    assert (second == truth).mean() > 0.98
    assert (confidence > 0.5).mean() > 0.9
    alone = spread(folders, None, at_random)[1]
    assert (alone[0] == IGNORE).all()


def test_what_is_kept_changes_nothing(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    kept = spread(folders, Features(["color"]), True)
    for scenes in (1, 0):
        size = 600 * 800  # a scene takes some 500 bytes a node
        monkeypatch.setattr(kept_scenes, "memory", lambda room=scenes * size: 4 * room)
        for one, other in zip(kept, spread(folders, Features(["color"]), True), strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_scenes_are_kept_as_long_as_there_is_room_and_only_for_their_labels(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    described = []
    make = SceneSpreading._made

    def made(self: SceneSpreading, folder: Path, labels: np.ndarray) -> SeenScene:
        described.append(folder)
        return make(self, folder, labels)

    monkeypatch.setattr(SceneSpreading, "_made", made)
    labels, others = np.full((2, 600), IGNORE)
    labels[[5, 80, 350, 500]] = others[[6, 90]] = others[[400]] = 0
    labels[[350, 500]] = others[[400]] = 1
    answers = []
    for room, times in ((10**9, 2), (600 * 800, 3), (0, 4)):
        described.clear()
        monkeypatch.setattr(kept_scenes, "memory", lambda room=room: 4 * room)
        spreading = SceneSpreading(Spreading(keep=0.0), CLASSES, Features(["color"]), 0.05, True)
        forest = spreading.forest([spreading.examples(folder, labels) for folder in folders])
        answers.append([*spreading(folders[0], others, forest), *spreading(folders[1], labels, forest)])
        assert len(described) == times
    for some in answers[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(answers[0], some, strict=True))


def test_missing_features_are_named(folders: list[Path]) -> None:
    with pytest.raises(InputError, match="intensity"):
        spread(folders, Features(["intensity"]), True)


@pytest.mark.parametrize(("points", "most"), [(1000, 2), (spread_scenes.OVERLAPPED + 1, 1)])
def test_small_scenes_are_worked_on_two_at_a_time_in_order(points: int, most: int) -> None:
    running, seen = [], []

    def work(number: int) -> int:
        running.append(number)
        seen.append(len(running))
        time.sleep(0.01)
        running.remove(number)
        return number * number

    with torch_threads(2):
        assert list(overlapped(work, range(8), points)) == [n * n for n in range(8)]
    assert max(seen) == most
    with torch_threads(1):
        seen.clear()
        assert len(list(overlapped(work, range(3), points))) == 3
    assert max(seen) == 1


def test_after_an_error_scenes_that_have_not_begun_are_left() -> None:
    begun = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            raise InputError("scene 1 is broken")
        time.sleep(0.01)

    with torch_threads(2), pytest.raises(InputError, match="scene 1 is broken"):
        list(overlapped(work, range(100), 10))
    assert len(begun) < 20


def test_tags_teach_the_forest_a_class_that_it_finds_too_rarely(tmp_path: Path) -> None:
    """Lamps on tables, the fainter the less they are like the only labeled one; tags say that each table has one."""
    classes = Classes(("floor", "table", "lamp"))
    truth, pairs = np.repeat([0, 1, 2], [300, 540, 60]), []
    for number in range(6):
        rng = np.random.default_rng(number)
        coord = (rng.random((900, 3)) * [2, 2, 0.01]).astype(np.float32)
        coord[300:, 2] += 0.8
        coord[840:, :2] = coord[840:, :2] * 0.2 + rng.random(2) * 1.5
        color = np.array([[200, 200, 200], [90, 60, 30], [120 + 22 * number, 60, 30]])[truth]
        seen = (color + rng.integers(-15, 16, color.shape)).astype(np.uint8)
        scene = Scene(coord, {"color": seen}, f"all/{number}", classes=classes.names)
        known = np.full(900, IGNORE)
        known[rng.choice(840, 12, replace=False)] = 0
        known[870] = 0 if number == 5 else IGNORE
        pairs.append((write_scene(tmp_path, scene), np.where(known == 0, truth, IGNORE)))
    there = tuple(SceneTags(f"all/{number}", np.ones(3, dtype=bool)) for number in range(6))
    tags = Tags(classes.names, "file", {}, None, there)
    lamps, right = {}, {}
    for given in (None, tags):
        spreading = SceneSpreading(Spreading(keep=0.0), classes, Features(["color"]), 0.05, True, tags=given)
        examples = [spreading.examples(*pair) for pair in pairs]
        forest = spreading.forest(examples)
        if given is not None:
            forest = spreading.forest([*examples, *(spreading.guesses(*pair, forest) for pair in pairs)])
        labels = np.stack([spreading(*pair, forest)[0] for pair in pairs])
        lamps[given is tags], right[given is tags] = (labels[:, 840:] == 2).mean(), (labels == truth).mean()
        assert spreading.source().get("tags") == (None if given is None else tags.sha256)
    assert lamps[True] > lamps[False] + 0.2
    assert right[True] > right[False]


def test_a_forest_of_guesses_tries_a_third_of_the_descriptors() -> None:
    examples = {"descriptors": np.random.default_rng(0).random((60, 7)).astype(np.float32), "labels": np.arange(60) % 2}
    spreading = SceneSpreading(Spreading(), CLASSES, Features(["color"]), 0.05, False)
    every, guessed = (spreading.forest([examples], guessed=guessed) for guessed in (False, True))
    assert (every.tried, guessed.tried) == (None, 3)
    asked = np.random.default_rng(1).random((50, 7)).astype(np.float32)
    assert not np.array_equal(every(asked), guessed(asked))


def test_beside_tags_spread_labels_tell_shares_that_few_labels_do_not() -> None:
    """Boards are a quarter of the spread labels, but of what was drawn one in a hundred."""
    classes = Classes(("wall", "board"))
    label = np.repeat([0, 1], [300, 100]).astype(np.int16)
    weight = np.where(np.arange(400) < 4, 1, 0.5).astype(np.float16)
    scene = SceneLabels("a/0", 400, "0" * 64, np.arange(400), label, weight)
    tags = Tags(classes.names, "file", {}, None, (SceneTags("a/0", np.ones(2, dtype=bool)),))
    mass = {}
    for given in (None, tags):
        spreading = SceneSpreading(
            Spreading(), classes, None, 0.05, True, shares=np.array([0.99, 0.01]), balance=True, tags=given
        )
        (found,) = spreading.weighed([scene])
        assert found.weight is not None
        mass[given is tags] = found.weight[300:].sum() / found.weight[4:].sum()
    assert mass[True] > 0.2
    assert mass[False] < 0.05
