"""Clicks in CSV files: the points they label, and mistakes named with their line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.label_imports import import_clicks
from pcseg.classes import Classes
from pcseg.errors import InputError
from tests.scenes.rooms import CLASSES, room

SCAN = room("train/scene0000_00", 300)
OTHER = room("train/scene0001_00", 200)


def csv(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "clicks.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_positions_snap_to_the_nearest_point_in_world_coordinates(tmp_path: Path) -> None:
    scene = replace(SCAN, attributes={}, origin=np.array([500_000.0, 4_000_000.0, 100.0]))
    world = scene.coord[[5, 250]].astype(np.float64) + scene.origin + 0.004
    rows = [f"scene0000_00,{x:.4f},{y:.4f},{z:.4f},{c}" for (x, y, z), c in zip(world, ("board", "wall"), strict=True)]
    labels = import_clicks([scene, OTHER], CLASSES, csv(tmp_path, "scene,x,y,z,class", *rows))
    assert labels.scenes[0].index.tolist() == [5, 250]
    assert labels.scenes[0].label.tolist() == [3, 1]
    assert labels.scenes[1].count == 0
    assert "scenes without any label: 1 (train/scene0001_00)" in labels.summary()


def test_indices_and_full_names_columns_in_any_order_and_a_byte_order_mark(tmp_path: Path) -> None:
    lines = ("\ufeffclass, scene, index, who", "wall, train/scene0001_00, 9, me", "wall,scene0001_00,9,you")
    labels = import_clicks([SCAN, OTHER], CLASSES, csv(tmp_path, *lines))
    assert [scene.index.tolist() for scene in labels.scenes] == [[], [9]]
    assert labels.scenes[1].label.tolist() == [1]


HEAD, NUMBERED = "scene,x,y,z,class", "scene,index,class"


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (("scene,x,y,klass", "a,1,2,b"), "line 1: columns scene,x,y,klass; write scene,x,y,z,class"),
        (("",), "line 1: columns"),
        ((HEAD, "scene0000_00,1,one,1,wall"), "line 2: y is 'one'; write a number"),
        ((HEAD, "scene0000_00,1,nan,1,wall"), "line 2: y is 'nan'; write a number"),
        ((HEAD, "scene0000_00,1,1,wall"), "line 2: has 4 columns, but the first line has 5"),
        ((HEAD, "scene0000_00,1,1,1,wall,extra"), "line 2: has 6 columns, but the first line has 5"),
        ((HEAD, "scene0000_00,90,1,1,wall"), r"line 2: the nearest point of train/scene0000_00 is 86.* m away"),
        (
            (NUMBERED, "scene0000_00,3,wall", "scene0000_00,4,Wall"),
            r"line 3: class 'Wall' is not one of: floor \(0\), wall \(1\)",
        ),
        ((NUMBERED, "scene0000_00,1.5,wall"), "line 2: index '1.5' is no whole number"),
        ((NUMBERED, "scene0000_00,300,wall"), "line 2: train/scene0000_00 has no point 300, only 0 to 299"),
        ((NUMBERED, "scene0000_00,-1,wall"), "line 2: train/scene0000_00 has no point -1"),
        (
            (NUMBERED, "scene0000_00,3,wall", "kitchen,3,wall"),
            "line 3: scene kitchen is not one of: train/scene0000_00",
        ),
        (
            (NUMBERED, "scene0000_00,3,wall", "scene0000_00,4,wall", "scene0000_00,3,floor"),
            "line 4: says floor where line 2 says wall",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, lines: tuple[str, ...], named: str) -> None:
    with pytest.raises(InputError, match=named) as error:
        import_clicks([SCAN, OTHER], CLASSES, csv(tmp_path, *lines))
    assert str(error.value).startswith(str(tmp_path / "clicks.csv"))
    assert "\n" not in str(error.value)


def test_a_scene_name_of_two_splits_must_be_written_in_full(tmp_path: Path) -> None:
    twin = replace(SCAN, name="val/scene0000_00")
    with pytest.raises(InputError, match="line 2: scene scene0000_00 may be train/scene0000_00 or val/scene0000_00"):
        import_clicks([SCAN, twin], CLASSES, csv(tmp_path, NUMBERED, "scene0000_00,3,wall"))
    full = import_clicks([SCAN, twin], CLASSES, csv(tmp_path, NUMBERED, "val/scene0000_00,3,wall"))
    assert [scene.count for scene in full.scenes] == [0, 1]


def test_the_distance_limit_is_the_users(tmp_path: Path) -> None:
    x, y, z = SCAN.coord[0]
    path = csv(tmp_path, HEAD, f"scene0000_00,{x},{y},{z - 5},wall")
    assert import_clicks([SCAN], CLASSES, path, max_distance=10).count == 1
    with pytest.raises(InputError, match="max_distance=0"):
        import_clicks([SCAN], CLASSES, path, max_distance=0)


def test_classes_are_given_by_their_numbers_where_the_files_have_them(tmp_path: Path) -> None:
    numbered = Classes(CLASSES.names, (), ((2, 9), (5,), (6,), (3,)))
    rows = [f"scene0000_00,{i},{code}" for i, code in enumerate((2, 9, 5, 6, 3, "wall", "+3"))]
    labels = import_clicks([SCAN], numbered, csv(tmp_path, NUMBERED, *rows))
    assert labels.scenes[0].label.tolist() == [0, 0, 1, 2, 3, 1, 3]
    for code in ("1", "0", "-1", "255", "9" * 5000, "wall 5", "٣"):
        with pytest.raises(InputError, match=r"line 2: class '.*' is not one of: floor \(2\), wall \(5\)") as error:
            import_clicks([SCAN], numbered, csv(tmp_path, NUMBERED, f"scene0000_00,3,{code}"))
        assert len(str(error.value)) < 500


def test_number_and_position_must_agree(tmp_path: Path) -> None:
    x, y, z = SCAN.coord[7]
    head = "index,scene,x,y,z,class"  # as pandas writes a table with its own row numbers
    assert import_clicks([SCAN], CLASSES, csv(tmp_path, head, f"7,scene0000_00,{x},{y},{z},wall")).spent == 1
    with pytest.raises(InputError, match="line 2: point 0 of train/scene0000_00 is not where x, y, z say"):
        import_clicks([SCAN], CLASSES, csv(tmp_path, head, f"0,scene0000_00,{x},{y},{z},wall"))
