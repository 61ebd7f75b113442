"""Tags: where they may come from, the tags of a sample, and the numbers that a run prints."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pcseg
from pcseg.budgets.draw import draw_points, draw_tags
from pcseg.budgets.tags import SceneTags, Tags
from pcseg.classes import IGNORE, Classes
from pcseg.scenes.scene import Scene
from tests.budgets.damage import refused
from tests.budgets.tagged import RADIUS, ROOMS, drawn, named
from tests.scenes.rooms import CLASSES


def names_in(labels: np.ndarray) -> set[str]:
    return {CLASSES.names[label] for label in set(labels.tolist()) - {IGNORE}}


def truth(scene: Scene) -> np.ndarray:
    assert scene.segment is not None
    return np.asarray(scene.segment)


def test_drawn_scene_tags_are_the_classes_of_the_scene() -> None:
    tags = draw_tags(ROOMS, CLASSES)
    for scene in ROOMS:
        assert named(tags.of(scene.name)) == names_in(truth(scene))
        assert named(tags.of(scene.name, scene.coord[0] + scene.origin)) == names_in(truth(scene))
    assert (tags.count, tags.seed, tags.parameters) == (5, None, {})


def test_drawn_sub_clouds_have_the_classes_within_their_radius() -> None:
    tags = draw_tags(ROOMS, CLASSES, seed=3, radius=RADIUS, points=6)
    for scene, entry in zip(ROOMS, tags.scenes, strict=True):
        assert entry.center.shape == (6, 3)
        for i, center in enumerate(entry.center):
            near = [bool(((p - (center - scene.origin)) ** 2).sum() <= RADIUS**2) for p in scene.coord.astype(float)]
            assert named(tags.of(scene.name, center)) == names_in(truth(scene)[near]) == named(entry.inside[i])
        union = set().union(*(named(row) for row in entry.inside))
        assert named(tags.of(scene.name)) == union <= names_in(truth(scene))
    assert tags.parameters == {"radius": RADIUS, "points": 6}


def test_fewer_sub_clouds_are_part_of_more() -> None:
    few, many = (draw_tags(ROOMS, CLASSES, 3, RADIUS, points) for points in (4, 9))
    for a, b in zip(few.scenes, many.scenes, strict=True):
        assert np.array_equal(a.center, b.center[:4])
        assert np.array_equal(a.inside, b.inside[:4])
    other = draw_tags(ROOMS, CLASSES, 4, RADIUS, 4)
    assert not np.array_equal(other.scenes[0].center, few.scenes[0].center)


def test_a_center_gets_the_nearest_sub_cloud_around_it_else_the_scene() -> None:
    inside = np.array([[True, False, False, False], [False, True, False, False]])
    known = np.array([False, False, True, False])
    scene = SceneTags("A/a", known, np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([1.0, 5.0]), inside)
    tags = Tags(CLASSES.names, "file", {}, None, (scene,))
    assert named(tags.of("A/a", np.array([0.4, 0, 0]))) == {"floor"}
    assert named(tags.of("A/a", np.array([0.6, 0, 0]))) == {"wall"}
    assert named(tags.of("A/a", np.array([-1.5, 0, 0]))) == {"wall"}
    assert named(tags.of("A/a", np.array([9.0, 0, 0]))) == named(tags.of("A/a")) == {"floor", "wall", "chair"}


def test_tags_of_labels_are_what_the_label_file_reveals() -> None:
    labels = draw_points(ROOMS, CLASSES, 2, seed=1)
    tags = Tags.from_labels(labels)
    for scene, entry in zip(ROOMS, labels.scenes, strict=True):
        assert named(tags.of(scene.name)) == names_in(entry.label)
    assert named(tags.of("Area_1/a")) < names_in(truth(ROOMS[0]))
    assert tags.parameters == {"labels": labels.sha256}


def test_tags_of_labels_do_not_follow_hidden_labels() -> None:
    labels = draw_points(ROOMS, CLASSES, 5, seed=1)
    poisoned = []
    for scene, entry in zip(ROOMS, labels.scenes, strict=True):
        segment = np.full(len(scene), 2)
        segment[entry.index] = entry.label
        poisoned.append(scene.having(segment=segment))
    again = draw_points(poisoned, CLASSES, 5, seed=1)
    assert again.sha256 == labels.sha256
    assert Tags.from_labels(again).sha256 == Tags.from_labels(labels).sha256


def test_no_module_of_training_can_reach_the_drawing_of_budgets() -> None:
    """Hidden labels are read by pcseg.budgets.draw alone; only importing a budget and the rules of pictures, which
    are for tools alone, may use it.
    """
    root = Path(pcseg.__file__).parent
    for path in sorted(root.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        modules += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        if "pcseg.budgets.draw" in modules:
            assert path.relative_to(root).as_posix() in ("budgets/label_imports.py", "budgets/picture_rules.py")
        assert "pcseg.budgets.picture_rules" not in modules, path
        truths = {n.attr for n in nodes if isinstance(n, ast.Attribute)} & {"segment", "instance"}
        assert not truths or path.parent.name != "budgets" or path.name == "draw.py", path


def test_counts_are_printed() -> None:
    tags = drawn()
    text = tags.summary()
    assert f"tags: {sum(int(scene.inside.sum()) for scene in tags.scenes)} in 2 scenes with 6 sub-clouds" in text
    for part in (tags.sha256, "tags, points=3, radius=0.6, seed=3", "floor 2", "board 1"):
        assert part in text
    none = Tags(CLASSES.names, "file", {}, None, (SceneTags("A/a", np.array([True, False, False, False])),))
    assert "classes without any tag: wall, chair, board" in none.summary()
    assert "tags: 0 in 0 scenes" in Tags(CLASSES.names, "file", {}, None, ()).summary()


def test_classes_are_matched_by_name() -> None:
    tags, turned = drawn(), drawn().ordered(Classes(CLASSES.names[::-1]))
    center = tags.scenes[0].center[1]
    assert np.array_equal(turned.of("Area_1/a"), tags.of("Area_1/a")[::-1])
    assert np.array_equal(turned.of("Area_1/a", center), tags.of("Area_1/a", center)[::-1])
    message = refused(lambda: tags.ordered(Classes(("floor", "wall", "seat", "board"))))
    assert message == "tags: the tag file and the data differ in the classes chair, seat; make it again"


def test_a_scene_the_file_lacks_is_refused() -> None:
    assert refused(lambda: drawn().of("Area_9/z")).startswith("Area_9/z: the tag file does not cover this scene")


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: draw_tags(ROOMS, CLASSES, radius=0.0), "radius=0, points=20"),
        (lambda: draw_tags(ROOMS, CLASSES, radius=float("nan")), "radius=nan"),
        (lambda: draw_tags(ROOMS, CLASSES, radius=1.0, points=0), "points=0"),
        (lambda: draw_tags(ROOMS, CLASSES, seed=-1, radius=1.0), "seed=-1"),
        (lambda: draw_tags([replace(ROOMS[0], attributes={})], CLASSES), "Area_1/a: has no segment.npy"),
        (lambda: draw_tags([ROOMS[0], ROOMS[0]], CLASSES), "tags: a scene is listed twice"),
        (lambda: Tags(("a",), "file", {}, None, drawn().scenes), "tags of Area_1/a: shape (4,) for 1 classes"),
        (lambda: replace(drawn().scenes[0], radius=np.array([1.0, -1, 1])), "radii above 0"),
        (lambda: replace(drawn().scenes[0], center=np.full((3, 3), np.inf)), "finite centers"),
        (lambda: Tags.load("missing.json"), "missing.json: no such tag file; make it with tools/draw_labels.py"),
    ],
)
def test_mistakes_are_named_in_one_line(action: Callable[[], object], message: str) -> None:
    assert message in refused(action)


def test_a_point_may_have_what_all_the_sub_clouds_around_it_hold() -> None:
    tags = draw_tags(ROOMS, CLASSES, radius=RADIUS, points=5)
    for scene in ROOMS:
        entry, coord = tags.scene(scene.name), scene.coord + scene.origin
        allowed = entry.allowed(coord)
        for point, row, label in zip(coord, allowed, truth(scene), strict=True):
            around = np.linalg.norm(entry.center - point, axis=1) <= entry.radius
            assert np.array_equal(row, entry.inside[around].all(axis=0) & around.any())
            assert label == IGNORE or not around.any() or row[label], "the true class is never denied"
        whole = draw_tags(ROOMS, CLASSES).scene(scene.name)
        assert np.array_equal(whole.allowed(coord), np.repeat(whole.known[None], len(coord), axis=0))
