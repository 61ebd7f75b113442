"""Label budgets: labels are given where drawn and nowhere else, and classes are matched by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.draw import draw_points, draw_uniform
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from tests.scenes.rooms import CLASSES, room

ROOMS = [room("Area_1/a", 400), room("Area_1/b", 300, (0, 3))]


def drawn() -> WeakLabels:
    return draw_uniform(ROOMS, CLASSES, 0.1, seed=4)


def test_labels_are_the_truth_where_drawn_and_ignore_elsewhere() -> None:
    labels = drawn()
    for scene, entry in zip(ROOMS, labels.scenes, strict=True):
        assert scene.segment is not None
        known = labels.labels(scene)
        assert np.array_equal(known[entry.index], scene.segment[entry.index])
        assert (np.delete(known, entry.index) == IGNORE).all()
        assert labels.classes_of(scene.name) == set(known.tolist()) - {IGNORE}


def test_counts_are_right_and_printed() -> None:
    labels = drawn()
    known = np.concatenate([labels.labels(scene) for scene in ROOMS])
    assert labels.spent == 70
    assert labels.count == (known != IGNORE).sum() < 70
    assert labels.fraction == labels.count / 700
    counts = labels.counts([scene.name for scene in ROOMS], CLASSES)
    assert np.array_equal(counts.sum(axis=0), np.bincount(known[known != IGNORE], minlength=4))
    text = labels.summary()
    for part in (
        labels.sha256,
        "seed=4",
        "uniform",
        "fraction=0.1",
        f"{labels.count} of 700",
        f"wall {counts[:, 1].sum()}",
    ):
        assert part in text


def test_scenes_and_classes_without_labels_are_named() -> None:
    empty = SceneLabels("Area_1/c", 10, "0" * 64, np.zeros(0, np.int64), np.zeros(0, np.int16))
    labels = WeakLabels(("floor", "board"), "csv", {}, None, (empty,))
    assert (labels.count, labels.fraction) == (0, 0)
    assert "scenes without any label: 1 (Area_1/c)" in labels.summary()
    assert "classes without any label: floor, board" in labels.summary()


def test_classes_in_another_order_are_matched_by_name() -> None:
    labels, turned = drawn(), Classes(CLASSES.names[::-1])
    here, there = labels.labels(ROOMS[0]), labels.labels(replace(ROOMS[0], classes=turned.names))
    assert np.array_equal(there, np.where(here == IGNORE, IGNORE, 3 - here))
    names = [scene.name for scene in ROOMS]
    assert np.array_equal(labels.counts(names, turned), labels.counts(names, CLASSES)[:, ::-1])


def test_the_hash_follows_content_and_not_the_file(tmp_path: Path) -> None:
    labels = drawn()
    scene = labels.scenes[0]
    other = replace(scene, label=np.where(np.arange(len(scene.label)) == 3, 0, scene.label))
    assert replace(labels, scenes=(other, *labels.scenes[1:])).sha256 != labels.sha256
    assert replace(labels, seed=5).sha256 != labels.sha256
    turned = replace(scene, index=scene.index[::-1], label=scene.label[::-1])
    assert replace(labels, scenes=(turned, *labels.scenes[1:])).sha256 == labels.sha256


def test_another_cloud_is_refused() -> None:
    labels = drawn()
    moved = replace(ROOMS[0], coord=ROOMS[0].coord + np.float32(0.001))
    fewer = replace(ROOMS[0], coord=ROOMS[0].coord[:-1])
    for scene, there in ((moved, "400 here"), (fewer, "399 here")):
        with pytest.raises(InputError, match="Area_1/a: these labels belong to another cloud") as error:
            labels.labels(scene)
        assert there in str(error.value)
        assert "draw_labels" in str(error.value)


def test_a_scene_or_class_the_file_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="Area_9/z: the label file does not cover"):
        drawn().labels(room("Area_9/z"))
    with pytest.raises(InputError, match="Area_9/z"):
        drawn().classes_of("Area_9/z")
    for names in (("floor", "wall", "chair"), ("floor", "wall", "seat", "board")):
        with pytest.raises(InputError, match=r"differ in the classes (board|chair, seat);"):
            drawn().labels(replace(ROOMS[0], classes=names))


def test_labels_that_cannot_be_are_refused() -> None:
    good = draw_points(ROOMS[:1], CLASSES, 5).scenes[0]
    with pytest.raises(InputError, match="indices must differ"):
        replace(good, index=np.zeros(5, dtype=np.int64))
    with pytest.raises(InputError, match="4 indices but 5 labels"):
        replace(good, index=np.arange(4))
    with pytest.raises(InputError, match="not among the 1 classes"):
        WeakLabels(("floor",), "points", {}, 0, (replace(good, label=np.full(5, 1, np.int16)),))


def test_scenes_with_a_labeled_point_are_known() -> None:
    empty = SceneLabels("Area_1/c", 10, "0" * 64, np.zeros(0, np.int64), np.zeros(0, np.int16))
    spent = SceneLabels("Area_1/d", 10, "0" * 64, np.array([4]), np.array([IGNORE]))
    labels = replace(drawn(), scenes=(*drawn().scenes, empty, spent))
    known = labels.labeled(["Area_1/c", "Area_1/b", "Area_1/d", "Area_1/a"])
    assert known.dtype == bool
    assert known.tolist() == [False, True, False, True]
    assert labels.labeled([]).shape == (0,)
    with pytest.raises(InputError, match="Area_9/z: the label file does not cover"):
        labels.labeled(["Area_9/z"])


@pytest.mark.parametrize("names", [("floor", "chair"), ("chair", "wall", "floor"), ("chair",)])
def test_a_stage_can_see_some_classes(names: tuple[str, ...]) -> None:
    """The same labels in the stage's own order of classes, and none of the classes that it does not see."""
    labels, scene = drawn(), replace(ROOMS[0], classes=names)
    everything = [CLASSES.names[label] if label >= 0 else "" for label in labels.labels(ROOMS[0])]
    expected = [names.index(name) if name in names else IGNORE for name in everything]
    assert labels.labels(scene, only=names).tolist() == expected
    counts = labels.counts([scene.name], Classes(names), only=names)
    assert counts.tolist() == [[everything.count(name) for name in names]]
    with pytest.raises(InputError, match="differ in the classes"):
        labels.labels(scene)
    with pytest.raises(InputError, match="differ in the classes"):
        labels.counts([scene.name], Classes(names))


def test_a_stage_can_see_some_of_the_classes_it_numbers() -> None:
    labels = drawn()
    everything = labels.labels(ROOMS[0])
    expected = np.where(np.isin(everything, (1, 2)), everything, IGNORE)
    assert np.array_equal(labels.labels(ROOMS[0], only=("wall", "chair")), expected)
    assert (labels.labels(ROOMS[0], only=()) == IGNORE).all()
    for names in (CLASSES.names, ("floor", "wall", "sofa")):
        with pytest.raises(InputError, match=r"only=wall, sofa: no class sofa in both") as error:
            labels.labels(replace(ROOMS[0], classes=names), only=("wall", "sofa"))
        assert str(error.value).isprintable()


def guessed() -> WeakLabels:
    """Labels with weights, as a network that guesses gives them: any order, float32."""
    scenes = []
    for scene in ROOMS:
        rng = np.random.default_rng(len(scene))
        index = rng.permutation(len(scene))[: len(scene) // 2]
        weight = (1 - rng.random(len(index))).astype(np.float32).clip(1e-3)
        scenes.append(
            SceneLabels(scene.name, len(scene), scene.digest(), index, rng.integers(0, 4, len(index)), weight)
        )
    return WeakLabels(CLASSES.names, "pseudo", {"labels": drawn().sha256}, None, tuple(scenes))


def test_weights_follow_their_labels() -> None:
    labels, scene = guessed(), ROOMS[0]
    rng = np.random.default_rng(len(scene))
    index = rng.permutation(len(scene))[: len(scene) // 2]
    expected = np.zeros(len(scene))
    expected[index] = (1 - rng.random(len(index))).clip(1e-3)
    weights = labels.weights(scene)
    assert weights is not None
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, expected, rtol=2**-11)  # half of the last bit of float16
    assert np.array_equal(weights > 0, labels.labels(scene) != IGNORE)
    assert drawn().weights(scene) is None
    with pytest.raises(InputError, match="another cloud"):
        labels.weights(replace(scene, coord=scene.coord + np.float32(0.001)))


def test_the_hash_follows_weights() -> None:
    labels = guessed()
    first = labels.scenes[0]
    assert first.weight is not None
    half = replace(first, weight=first.weight / np.float16(2))
    assert replace(labels, scenes=(half, labels.scenes[1])).sha256 != labels.sha256
    assert replace(labels, scenes=tuple(replace(s, weight=None) for s in labels.scenes)).sha256 != labels.sha256
    assert "mean weight: 0.5" in labels.summary()
    assert "mean weight" not in drawn().summary()


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(4), "a weight as a decimal number for each of 5 labels"),
        (np.ones((5, 1)), "a weight as a decimal number for each of 5 labels"),
        (np.ones(5, dtype=np.int64), "a weight as a decimal number"),
        (np.zeros(5), "a weight is not above 0 and at most 1"),
        (np.full(5, 1e-9), "a weight is not above 0"),
        (np.full(5, 1.001), "a weight is not above 0 and at most 1"),
        (np.full(5, np.nan), "a weight is not above 0 and at most 1"),
        (np.full(5, -0.5), "a weight is not above 0 and at most 1"),
    ],
)
def test_weights_that_cannot_be_are_refused(weight: np.ndarray, message: str) -> None:
    good = draw_points(ROOMS[:1], CLASSES, 5).scenes[0]
    with pytest.raises(InputError, match=message):
        replace(good, weight=weight)


def test_weights_of_some_scenes_are_refused() -> None:
    labels = guessed()
    with pytest.raises(InputError, match="some scenes have weights and some have none"):
        replace(labels, scenes=(labels.scenes[0], replace(labels.scenes[1], weight=None)))
