"""The simulated hour at the click page: a person without mistakes labels a room, and mistakes are as asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.annotate import Options, Person, labeled
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
