"""The tool that suggests points to label: its file goes through draw_labels once it is filled in."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np

from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE
from pcseg.scenes.scene import read_scene
from tests.tools._runs import CLASSES, checkpoint, failed, tool_here


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_its_file_is_filled_in_and_read_as_labels(rooms: Path, tmp_path: Path) -> None:
    clicks, pictures = tmp_path / "clicks.csv", tmp_path / "pictures"
    where = (f"root={rooms}", "splits=Area_1")
    done = tool_here("suggest_labels", *where, "budget=4", f"output={clicks}", f"picture={pictures}")
    assert done.returncode == 0, done.stderr
    assert "8 points to label in 2 scenes" in done.stdout
    found = rows(clicks)
    assert [row["number"] for row in found] == ["1", "2", "3", "4"] * 2
    for name in ("a", "b"):
        assert (pictures / "Area_1" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert '"name":"4"' in (pictures / "Area_1" / f"{name}.html").read_text()

    draw = ("draw_labels", *where, "rule=csv", f"source={clicks}", f"output={tmp_path}/labels.npz")
    failed(tool_here(*draw), "line 2: has no class, as 7 more of 8 rows; complete them")
    scenes = {f"Area_1/{n}": read_scene(rooms / "Area_1" / n, CLASSES, with_labels=True) for n in "ab"}
    for row in found:
        scene, point = scenes[row["scene"]], int(row["index"])
        assert scene.segment is not None
        place = [float(row[axis]) for axis in "xyz"]
        np.testing.assert_allclose(place, scene.coord[point] + scene.origin, atol=6e-4)
        row["class"] = CLASSES.names[scene.segment[point]]
    with open(clicks, "w", newline="", encoding="utf-8") as stream:
        csv.DictWriter(stream, found[0]).writeheader()
        csv.DictWriter(stream, found[0]).writerows(found)
    done = tool_here(*draw)
    assert done.returncode == 0, done.stderr
    labels = WeakLabels.load(tmp_path / "labels.npz")
    assert labels.count == 8
    for name, scene in scenes.items():
        known = labels.labels(scene)
        assert (known[known != IGNORE] == np.asarray(scene.segment)[known != IGNORE]).all(), name


def test_given_labels_and_networks_lead_elsewhere_and_no_truth_is_read(rooms: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "rooms"
    shutil.copytree(rooms, hidden)
    for path in hidden.rglob("segment.npy"):
        path.write_bytes(b"poison")
    net = checkpoint(tmp_path / "net.safetensors")
    extra = {"plain": (), "labels": (f"labels={rooms.parent}/labels.npz",), "network": (f"checkpoint={net}",)}
    found = {}
    for name, more in extra.items():
        output = f"output={tmp_path}/{name}.csv"
        done = tool_here("suggest_labels", f"root={hidden}", "splits=Area_1", "budget=6", output, "threads=1", *more)
        assert done.returncode == 0, done.stderr
        found[name] = [(row["scene"], row["index"]) for row in rows(tmp_path / f"{name}.csv")]
        assert len(set(found[name])) == 12
    assert found["plain"] != found["labels"]
    assert found["plain"] != found["network"]
    given = {(scene.name, str(i)) for scene in WeakLabels.load(rooms.parent / "labels.npz").scenes for i in scene.index}
    assert not given & set(found["labels"])


def test_mistakes_are_named_in_one_line(rooms: Path, tmp_path: Path) -> None:
    usual = (f"root={rooms}", "splits=Area_1", f"output={tmp_path}/clicks.csv")
    failed(tool_here("suggest_labels", *usual, "budget=0"), "budget=0")
    failed(tool_here("suggest_labels", *usual, "budget=2", "voxel_size=0"), "voxel_size=0")
    failed(tool_here("suggest_labels", *usual, "budget=2", "attributes=[x]"), "no column x")
    (tmp_path / "clicks.csv").write_text("mine")
    failed(tool_here("suggest_labels", *usual, "budget=2"), "is there already", "overwrite=true")
    assert (tmp_path / "clicks.csv").read_text() == "mine"
