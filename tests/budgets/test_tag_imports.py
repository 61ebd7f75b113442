"""Tags that a user gives: CSV files and lists, matched by name, and mistakes named with their line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.tag_imports import import_tags
from pcseg.classes import Classes
from pcseg.scenes.scene import read_scene
from tests.budgets.damage import refused
from tests.budgets.tagged import ROOMS, named
from tests.scenes.rooms import CLASSES, building


def test_given_tags_need_no_ground_truth(tmp_path: Path) -> None:
    scenes = []
    for folder in building(tmp_path / "data", scenes=2):
        (folder / "segment.npy").write_bytes(b"poison")
        (folder / "instance.npy").write_bytes(b"poison")
        scenes.append(read_scene(folder, CLASSES, with_labels=False))
    tags = import_tags(scenes, CLASSES, csv(tmp_path, "scene,class", "room_0,wall", "Area_1/room_1,floor"))
    assert [named(tags.of(scene.name)) for scene in scenes] == [{"wall"}, {"floor"}]


def csv(folder: Path, *lines: str) -> Path:
    path = folder / "tags.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_of_scenes_is_read_by_name_and_by_number(tmp_path: Path) -> None:
    numbered = Classes(CLASSES.names, (), ((7,), (8,), (9,), (10,)))
    for rows in (("Area_1/a,wall", "a,chair", "b,floor", "b,floor"), ("a,8", "a,9", "Area_1/b,7")):
        tags = import_tags(ROOMS, numbered, csv(tmp_path, "Scene,CLASS", *rows))
        assert [named(tags.of(scene.name)) for scene in ROOMS] == [{"wall", "chair"}, {"floor"}]
    assert (tags.rule, tags.parameters, tags.count) == ("file", {"source": "tags.csv"}, 3)


def test_sub_clouds_of_a_table_are_its_rows_of_one_ball(tmp_path: Path) -> None:
    head = "scene,class,x,y,z,radius"
    rows = ("a,wall,1,1,1,0.5", "a,chair,1,1,1,0.5", "a,floor,3,1,1,0.5", "a,board,,,,", "b,wall,,,,")
    tags = import_tags(ROOMS, CLASSES, csv(tmp_path, head, *rows))
    assert named(tags.of("Area_1/a", np.array([1.0, 1.2, 1]))) == {"wall", "chair"}
    assert named(tags.of("Area_1/a", np.array([3.0, 1.2, 1]))) == {"floor"}
    assert named(tags.of("Area_1/a")) == set(CLASSES.names)
    assert named(tags.of("Area_1/b", np.zeros(3))) == {"wall"}


def test_lists_of_scenes_may_be_empty() -> None:
    tags = import_tags(ROOMS, CLASSES, "tags.yaml", {"a": ["wall", 2], "Area_1/b": []})
    assert [named(tags.of(scene.name)) for scene in ROOMS] == [{"wall", "chair"}, set()]
    assert "scenes without any tag: 1 (Area_1/b)" in tags.summary()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("scene,kind", "a,wall"), "tags.csv, line 1: columns scene,kind; write scene,class or scene,class,x"),
        (("scene,class", "a,wall", "c,wall"), "tags.csv, line 3: scene c is not one of: Area_1/a, Area_1/b"),
        (("scene,class", "a,wall"), "tags.csv: has no tag of Area_1/b"),
        (("scene,class", "a,wall", "b,sofa"), "tags.csv, line 3: class 'sofa' is not one of: floor"),
        (("scene,class", "a,"), "tags.csv, line 2: has no class"),
        (("scene,class,x,y,z,radius", "a,wall,1,1,1,"), "tags.csv, line 2: a sub-cloud needs x, y, z and radius"),
        (("scene,class,x,y,z", "a,wall,1,1,1"), "tags.csv, line 2: a sub-cloud needs x, y, z and radius"),
        (("scene,class,x,y,z,radius", "a,wall,1,1,1,0"), "tags.csv, line 2: radius is '0'; write a number above 0"),
        (("scene,class,x,y,z,radius", "a,wall,1,up,1,2"), "tags.csv, line 2: y is 'up'"),
    ],
)
def test_a_mistake_in_a_table_is_named_with_its_line(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    assert f"{tmp_path}/{message}" in refused(lambda: import_tags(ROOMS, CLASSES, csv(tmp_path, *lines)))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "tags.yaml: is no table of scenes"),
        ({}, "tags.yaml: is no table of scenes"),
        ({"a": "wall"}, "tags.yaml: a: is no list of classes"),
        ({"a": [["wall"]]}, "tags.yaml: a: is no list of classes"),
        ({3: ["wall"]}, "tags.yaml: 3: is no list of classes"),
        ({"a": ["wall"], "b": ["sofa"]}, "tags.yaml: b: class 'sofa' is not one of"),
        ({"a": ["wall"], "b": [], "c": []}, "tags.yaml: scene c is not one of"),
        ({"a": ["wall"]}, "tags.yaml: has no tag of Area_1/b"),
    ],
)
def test_a_mistake_in_lists_is_named(table: object, message: str) -> None:
    assert refused(lambda: import_tags(ROOMS, CLASSES, "tags.yaml", table)).startswith(message)
