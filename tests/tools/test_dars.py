"""Rounds of aligned pseudo labels from the command line: what they leave, and what they are trained on."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.budgets.draw import draw_scenes
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene
from tests.tools._runs import CLASSES, ROOT, building, curve, failed, settings, tool_here


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """The building, in which one of two rooms to train on is labeled."""
    root = building(tmp_path_factory.mktemp("building"))
    scenes = [read_scene(f, CLASSES, with_labels=True) for f in list_scenes(root, ["Area_1"])]
    draw_scenes(scenes, CLASSES, [s.name for s in scenes], count=1).save(root.parent / "labels.npz")
    return root


def train(rooms, output, *more):
    return tool_here("train", *settings(rooms, output, "method=dars", "steps=10", *more))


def test_rounds_train_on_given_and_aligned_labels(rooms, tmp_path, monkeypatch):
    factors = []
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    monkeypatch.setattr("_training.widened", lambda change, factor: factors.append(factor) or change)
    done = train(rooms, tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(dict.fromkeys(factors)) == [1.0, 1.5, 2.0], "the random scale grows with the round"
    assert [line["stage"] for line in curve(tmp_path)] == ["main"] * 4 + ["first"] * 3 + ["second"] * 3
    assert all(line["guessed_cross_entropy"] > 0 for line in curve(tmp_path)[4:])
    given = WeakLabels.load(rooms.parent / "labels.npz")
    for stage, alpha in (("first", 0.4), ("second", 0.65)):
        labels = WeakLabels.load(tmp_path / "labels" / f"{stage}.npz")
        assert labels.parameters["budget"] == given.sha256
        assert labels.parameters["alpha"] == alpha
        assert labels.parameters["prior"] == pytest.approx([1 / 3] * 3)
        guessed = [scene.weight < 1 for scene in labels.scenes]
        assert [each.any() for each in guessed] == [scene.count == 0 for scene in given.scenes]
        assert 0 < sum(map(np.count_nonzero, guessed)) <= alpha * 600 + 20


def test_scales_are_refused_before_the_first_step(rooms, tmp_path):
    failed(train(rooms, tmp_path, "stages.second.widen=0"), "stages.second.widen=0")
