"""The simulated hour at the click page: a person without mistakes labels a room, and mistakes are as asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.annotate import Options, Person, by_polygons, labeled
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene
from tests.tools._runs import CLASSES, building


def test_clicks_label_a_room(tmp_path: Path) -> None:
    folder = list_scenes(building(tmp_path), ["Area_1"])[0]
    options = Options([str(folder)], minutes=1, at=[0.2, 1], wrong=0, missed=0)
    for choose in ("suggested", "random"):
        found = labeled(options, folder, choose)
        assert list(found) == [0.2, 1]
        assert 20 < found[0.2][0] <= found[1][0] <= 100, found
    wrong = labeled(Options([str(folder)], minutes=1, at=[1], wrong=1, missed=0), folder, "suggested")
    assert wrong[1][0] < 20


def test_mistakes_are_as_often_as_asked(tmp_path: Path) -> None:
    folder = list_scenes(building(tmp_path), ["Area_1"])[0]
    truth = np.asarray(read_scene(folder, CLASSES, with_labels=True).segment)
    person = Person(Options([str(folder)], wrong=0.2, missed=0.5, distance=0.5), folder, CLASSES, "")
    points = np.arange(len(truth))
    hits = np.array([person.hit(int(point)) for point in points])
    assert abs((hits[:, 1] != truth).mean() - 0.2) < 0.06
    assert 0.3 < (hits[:, 0] != points).mean() <= 0.56


def test_polygons_label_as_much_of_the_scan_as_time_has_passed(tmp_path: Path) -> None:
    folder = list_scenes(building(tmp_path), ["Area_1"])[0]
    found = by_polygons(Options([str(folder)], whole=20, at=[0, 5, 20, 30]), folder)
    assert [round(accuracy) for accuracy, _ in found.values()] == [0, 25, 100, 100]
    assert 0 < found[5][1] <= 30
    assert found[30][1] == 100


def test_the_curves_are_printed_and_drawn(tmp_path: Path) -> None:
    folder = list_scenes(building(tmp_path), ["Area_1"])[0]
    picture = tmp_path / "hour.svg"
    command = [sys.executable, "-m", "benchmarks.annotate", f"scenes={folder}", "minutes=0.2", "at=[0.1,0.2]"]
    done = subprocess.run([*command, f"picture={picture}"], capture_output=True, text=True, check=True)
    assert "polygons: accuracy %" in done.stdout
    assert "| 0.2 |" in done.stdout
    assert "<svg" in picture.read_text()
