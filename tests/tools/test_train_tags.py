"""Training from tags alone on the command line, and on the labels that come of it."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.budgets.draw import draw_scenes, draw_tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene
from tests.tools._runs import CLASSES, building, curve, failed, settings, tool_here


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """The building with the tags of two balls in each room to train on, no label, and no ground truth there."""
    root = building(tmp_path_factory.mktemp("building"))
    scenes = [read_scene(f, CLASSES, with_labels=True) for f in list_scenes(root, ["Area_1"])]
    draw_scenes(scenes, CLASSES, [], count=0).save(root.parent / "labels.npz")
    draw_tags(scenes, CLASSES, radius=1.0, points=2).save(root.parent / "tags.json")
    for scene in list_scenes(root, ["Area_1"]):
        (scene / "segment.npy").write_bytes(b"poison")
    return root


def train(rooms, output, *more):
    tags = f"labels.tags={rooms.parent / 'tags.json'}"
    return tool_here("train", *settings(rooms, output, "method=cam", "then=tag_labels", "steps=6", tags, *more))


def test_tags_become_labels_and_those_a_network(rooms, tmp_path):
    done = train(rooms, tmp_path, "stages.then.before.confidence=0.3")
    assert done.returncode == 0, done.stderr
    lines = curve(tmp_path)
    assert [line["stage"] for line in lines] == ["main"] * 6 + ["then"] * 6
    assert all(line["tags"] > 0 for line in lines[:6])
    assert all(line["cross_entropy"] > 0 for line in lines[6:])
    labels = WeakLabels.load(tmp_path / "labels" / "then.npz")
    assert sum(np.count_nonzero(scene.label >= 0) for scene in labels.scenes) > 0


def test_a_run_without_tags_is_refused(rooms, tmp_path):
    failed(train(rooms, tmp_path, "labels.tags=null"), "labels.tags")
