"""Label budgets from elsewhere: ScanNet's lists, read without running them, and clicks, refused with their line number."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pcseg.data.label_imports import import_clicks, import_scannet, read_scannet_lists
from pcseg.errors import InputError
from pcseg.labels import IGNORE
from tests.data.rooms import CLASSES, room

SCAN = room("train/scene0000_00", 300)
OTHER = room("train/scene0001_00", 200)
POINTS = np.array([7, 3, 299, 100, 7], dtype=np.int64)


def saved(path: Path, content: object, old: bool = True) -> Path:
    """What torch.save wrote before its zip format; ``old``: with the module name that NumPy had before version 2."""
    torch.save(content, path, _use_new_zipfile_serialization=False)
    if old:
        path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    return path


@pytest.mark.parametrize("old", [True, False])
def test_an_official_list_gives_the_truth_of_its_points(tmp_path: Path, old: bool) -> None:
    path = saved(tmp_path / "points4", {"scene0000_00": POINTS, "scene0707_00": POINTS}, old)
    labels = import_scannet([SCAN], CLASSES, path)
    entry = labels.scenes[0]
    assert SCAN.segment is not None
    assert entry.index.tolist() == [3, 7, 100, 299]
    assert np.array_equal(entry.label, SCAN.segment[entry.index])
    assert labels.parameters == {"source": "points4"}
    assert labels.seed is None


def test_listed_points_without_a_class_are_spent(tmp_path: Path) -> None:
    assert SCAN.segment is not None
    both = np.array([np.flatnonzero(SCAN.segment == IGNORE)[0], np.flatnonzero(SCAN.segment == 1)[0]])
    labels = import_scannet([SCAN], CLASSES, saved(tmp_path / "p", {"scene0000_00": both}))
    assert (labels.spent, labels.count) == (2, 1)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_list_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "evil", {"scene0000_00": Evil(tmp_path / "ran")})
    with pytest.raises(InputError, match=r"evil: is not an official") as error:
        read_scannet_lists(path)
    assert "\n" not in str(error.value)
    (tmp_path / "plain").write_bytes(pickle.dumps({"scene0000_00": Evil(tmp_path / "ran")}, protocol=2))
    with pytest.raises(InputError, match="plain: is not an official"):
        read_scannet_lists(tmp_path / "plain")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"scene0000_00": np.array([300])}, "lists point 300 of train/scene0000_00, which has 300"),
        ({"scene0000_00": np.array([-1, 5])}, "lists point -1"),
        ({"scene0009_00": POINTS}, "does not list train/scene0000_00"),
        ({"scene0000_00": [[1, 2]]}, "scene0000_00 is not a list"),
        ({"scene0000_00": "abc"}, "scene0000_00 is not a list"),
        ([1, 2], "holds a list"),
        ({}, "holds a dict"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path: Path, content: object, named: str) -> None:
    with pytest.raises(InputError, match=named):
        import_scannet([SCAN], CLASSES, saved(tmp_path / "points", content))


def test_missing_and_truncated_lists_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data_efficient"):
        read_scannet_lists(tmp_path / "none")
    path = saved(tmp_path / "cut", {"scene0000_00": POINTS})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="cut: is not an official"):
        read_scannet_lists(path)


def csv(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "clicks.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_positions_snap_to_the_nearest_point_in_world_coordinates(tmp_path: Path) -> None:
    scene = replace(SCAN, segment=None, instance=None, origin=np.array([500_000.0, 4_000_000.0, 100.0]))
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
        ((HEAD, "scene0000_00,1,one,1,wall"), "line 2: could not convert string to float: 'one'"),
        ((HEAD, "scene0000_00,1,nan,1,wall"), "line 2: the position 1, nan, 1 is not finite"),
        ((HEAD, "scene0000_00,1,1,wall"), "line 2: has another number of columns"),
        ((HEAD, "scene0000_00,1,1,1,wall,extra"), "line 2: has another number of columns"),
        ((HEAD, "scene0000_00,90,1,1,wall"), r"line 2: the nearest point of train/scene0000_00 is 86.* m away"),
        ((NUMBERED, "scene0000_00,3,wall", "scene0000_00,4,Wall"), "line 3: class 'Wall' is not one of: floor, wall"),
        ((NUMBERED, "scene0000_00,1.5,wall"), "line 2: invalid literal"),
        ((NUMBERED, "scene0000_00,300,wall"), "line 2: train/scene0000_00 has no point 300, only 0 to 299"),
        ((NUMBERED, "scene0000_00,-1,wall"), "line 2: train/scene0000_00 has no point -1"),
        ((NUMBERED, "scene0000_00,3,wall", "kitchen,3,wall"), "line 3: scene kitchen is not among"),
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


def test_files_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_bytes(b"\xff\xfe\x00s\x00c")
    for name in ("clicks.csv", "none.csv"):
        with pytest.raises(InputError, match=name):
            import_clicks([SCAN], CLASSES, tmp_path / name)
