"""tools/export_labels.py, and tools/draw_labels.py rule=import on what it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.formats.annotations import WRITERS
from tests.tools._runs import CLASSES, building, failed, tool_here


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return building(tmp_path_factory.mktemp("building"))


def export(rooms: Path, output: Path, *more: str, labels: str = "labels.npz"):
    return tool_here("export_labels", f"root={rooms}", f"labels={rooms.parent / labels}", f"output={output}", *more)


@pytest.mark.parametrize("name", sorted({*WRITERS} - {"kitti", "editor", "las"}))
def test_labels_come_back_from_each_tool(rooms: Path, tmp_path: Path, name: str) -> None:
    done = export(rooms, tmp_path / "out", f"format={name}")
    assert done.returncode == 0, done.stderr
    assert "2 scenes in " in done.stdout
    back = ["rule=import", f"source={tmp_path / 'out'}", f"output={tmp_path / 'back.npz'}", "max_distance=0.01"]
    done = tool_here("draw_labels", f"root={rooms}", "splits=[Area_1]", *back)
    assert done.returncode == 0, done.stderr
    one, other = WeakLabels.load(rooms.parent / "labels.npz"), WeakLabels.load(tmp_path / "back.npz")
    assert other.rule == "import"
    for before, after in zip(one.scenes, other.scenes, strict=True):
        assert np.array_equal(before.index, after.index)
        assert np.array_equal(before.label, after.label)


def test_labels_of_a_small_weight_are_left_out(rooms: Path, tmp_path: Path) -> None:
    given = WeakLabels.load(rooms.parent / "labels.npz")
    entry = given.scenes[0]
    weight = np.where(np.arange(len(entry.index)) < 3, 1.0, 0.25)
    scene = SceneLabels(entry.name, entry.points, entry.sha256, entry.index, entry.label, weight)
    WeakLabels(CLASSES.names, "spread", {}, None, (scene,)).save(rooms.parent / "spread.npz")
    for keep, count in (("0.5", 3), ("0.2", len(weight))):
        out = tmp_path / keep
        assert export(rooms, out, "format=cloudcompare", f"keep={keep}", labels="spread.npz").returncode == 0
        rows = np.loadtxt(out / "Area_1" / "a.txt", comments="//")
        assert int((~np.isnan(rows[:, 6])).sum()) == count


def test_what_cannot_be_written_is_told_in_a_line(rooms: Path, tmp_path: Path) -> None:
    failed(export(rooms, tmp_path / "a", "format=xml"), "format=xml: must be one of supervisely, ")
    failed(export(rooms, tmp_path / "a", "format=kitti"), "floor has the number 0, which means unlabeled there")
    failed(export(rooms, tmp_path / "a", "format=las", "codes=asprs"), "the class floor is none of ASPRS's")
    failed(export(rooms, tmp_path / "a", "format=ply", "keep=2"), "keep=2")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "corrected.json").write_text("{}")
    failed(export(rooms, tmp_path / "b", "format=ply"), "holds files, perhaps corrected labels")
    assert export(rooms, tmp_path / "b", "format=ply", "overwrite=true").returncode == 0
    failed(export(rooms, tmp_path / "a", "format=ply", labels="none.npz"), "none.npz: no such label file")
    common = ("draw_labels", f"root={rooms}", "splits=[Area_1]", f"output={tmp_path / 'x.npz'}", "rule=import")
    failed(tool_here(*common), "source=(none): rule=import needs a file")
    failed(tool_here(*common, "source=x", "seed=1"), "seed=1: is ignored by rule=import")
    failed(tool_here(*common, f"source={tmp_path / 'none'}"), "no such file or folder")


def test_numbers_that_mean_no_label_in_classes_yaml_mean_none_in_an_import(tmp_path: Path) -> None:
    raw, data, output = tmp_path / "raw", tmp_path / "data", tmp_path / "labels.npz"
    (raw / "train").mkdir(parents=True)
    (raw / "classes.yaml").write_text("names: [ground, tree]\nignore: [9]\n")
    (raw / "train" / "a.csv").write_text("x,y,z,label\n0,1,1,0\n1,2,2,1\n3,2,2,9\n")
    assert tool_here("prepare", "dataset=folder", f"input={raw}", f"output={data}").returncode == 0
    (tmp_path / "corrected").mkdir()
    (tmp_path / "corrected" / "a.txt").write_text("//X Y Z Classification\n0 1 1 9\n1 2 2 1\n3 2 2 0\n")
    common = ("draw_labels", f"root={data}", "splits=[train]", "rule=import", f"output={output}")
    done = tool_here(*common, f"source={tmp_path / 'corrected'}")
    assert done.returncode == 0, done.stderr
    scene = WeakLabels.load(output).scenes[0]
    assert scene.index.tolist() == [1, 2]
    assert scene.label.tolist() == [1, 0]
