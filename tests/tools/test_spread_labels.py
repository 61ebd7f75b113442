"""tools/spread_labels.py from the command line, and training on what it and the rounds of a run leave."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pcseg.budgets.draw import draw_points
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene
from tests.tools._runs import CLASSES, building, failed, settings, tool, tool_here


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    root = building(tmp_path_factory.mktemp("building"))
    scenes = (read_scene(f, CLASSES, with_labels=True) for f in list_scenes(root, ["Area_1"]))
    draw_points(scenes, CLASSES, 12).save(root.parent / "few.npz")
    return root


def spread(rooms, output, *more):
    return tool_here("spread_labels", f"root={rooms}", f"labels={rooms.parent / 'few.npz'}", f"output={output}", *more)


@pytest.mark.parametrize("rule", ["paths", "walk"])
def test_it_spreads_labels_and_keeps_those_given(rooms, tmp_path, rule):
    done = spread(rooms, tmp_path / "spread.npz", f"rule={rule}")
    assert done.returncode == 0, done.stderr
    given, found = WeakLabels.load(rooms.parent / "few.npz"), WeakLabels.load(tmp_path / "spread.npz")
    assert found.parameters["budget"] == given.sha256
    assert found.sha256 in done.stdout
    for folder in list_scenes(rooms, ["Area_1"]):
        scene = read_scene(folder, CLASSES, with_labels=True)
        known, labels, weights = given.labels(scene), found.labels(scene), found.weights(scene)
        assert np.array_equal(labels[known != IGNORE], known[known != IGNORE])
        assert (weights[known != IGNORE] == 1).all()
        kept = labels != IGNORE
        assert kept.mean() > 0.7
        assert (labels == scene.segment)[kept].mean() > 0.95
        assert np.array_equal(kept, weights > 0)


def test_no_hidden_label_is_read(rooms, tmp_path):
    spread(rooms, tmp_path / "before.npz")
    folders = list_scenes(rooms, ["Area_1"])
    kept = {folder: (folder / "segment.npy").read_bytes() for folder in folders}
    try:
        for folder in folders:
            (folder / "segment.npy").write_bytes(b"garbage")
        done = spread(rooms, tmp_path / "after.npz")
    finally:
        for folder, content in kept.items():
            (folder / "segment.npy").write_bytes(content)
    assert done.returncode == 0, done.stderr
    assert WeakLabels.load(tmp_path / "after.npz").sha256 == WeakLabels.load(tmp_path / "before.npz").sha256


def test_guesses_are_not_spread_again(rooms, tmp_path):
    assert spread(rooms, tmp_path / "first.npz").returncode == 0
    again = (f"root={rooms}", f"labels={tmp_path / 'first.npz'}", f"output={tmp_path / 'second.npz'}")
    assert tool_here("spread_labels", *again).returncode == 0
    given = WeakLabels.load(rooms.parent / "few.npz")
    for name in ("first", "second"):
        labels = WeakLabels.load(tmp_path / f"{name}.npz")
        assert sum((scene.weight == 1).sum() for scene in labels.scenes) == given.count


def test_labels_are_balanced_unless_told_otherwise(rooms, tmp_path):
    given = WeakLabels.load(rooms.parent / "few.npz")
    off, kept = {}, {}
    for balance in ("true", "false"):
        done = spread(rooms, tmp_path / f"{balance}.npz", f"balance={balance}", "features=[]", "keep=0.7")
        assert done.returncode == 0, done.stderr
        labels = WeakLabels.load(tmp_path / f"{balance}.npz")
        label, weight = (np.concatenate([getattr(each, of) for each in labels.scenes]) for of in ("label", "weight"))
        mass = np.bincount(label[weight < 1], weight[weight < 1], minlength=len(CLASSES))
        off[balance] = np.abs(mass / mass.sum() - given.shares([each.name for each in given.scenes], CLASSES)).max()
        kept[balance] = np.bincount(label, minlength=len(CLASSES))
    assert off["true"] < 1e-3 < off["false"]
    assert (kept["true"] >= kept["false"]).all()
    assert (kept["true"] > kept["false"]).any()


def test_mistakes_are_one_line(rooms, tmp_path):
    (tmp_path / "there.npz").write_bytes(b"x")
    failed(spread(rooms, tmp_path / "there.npz"), "is there already", "overwrite=true")
    failed(spread(rooms, tmp_path / "a.npz", "rule=magic"), "rule=magic", "paths")
    failed(spread(rooms, tmp_path / "a.npz", "attributes=[intensity:2]"), "no column intensity")
    failed(spread(rooms, tmp_path / "a.npz", "attributes=[height:x]"), "attributes=height:x", "column:weight")
    failed(spread(rooms, tmp_path / "a.npz", "normal=-1"), "normal")
    failed(spread(rooms, tmp_path / "a.npz", f"root={tmp_path}"), "coord.npy")


def test_a_run_spreads_and_trains_better_than_on_few_labels_alone(rooms, tmp_path):
    scores = {}
    for method in ("label_efficient", "supervised"):
        output = tmp_path / method
        arguments = [f"labels.file={rooms.parent / 'few.npz'}", f"method={method}", "steps=40", "augment.mix=0"]
        done = tool("train", *settings(rooms, output, *arguments))
        assert done.returncode == 0, done.stderr
        scores[method] = json.loads((output / "metrics.json").read_text())["miou"]
    assert scores["label_efficient"] > scores["supervised"]


def test_a_round_spreads_again_with_the_network(rooms, tmp_path):
    arguments = [f"labels.file={rooms.parent / 'few.npz'}", "method=label_rounds", "steps=8"]
    done = tool_here("train", *settings(rooms, tmp_path, *arguments, "augment.mix=0"))
    assert done.returncode == 0, done.stderr
    labels = tmp_path / "labels"
    first, second = (WeakLabels.load(labels / f"{name}.npz") for name in ("spread", "again"))
    assert first.parameters["budget"] == second.parameters["budget"] == WeakLabels.load(rooms.parent / "few.npz").sha256
    assert first.parameters["weights"] is None
    assert len(second.parameters["weights"]) == 64


def test_scenes_labeled_in_part_need_no_label_file(tmp_path):
    rooms = building(tmp_path)
    for folder in list_scenes(rooms, ["Area_1"]):
        segment = np.load(folder / "segment.npy")
        segment[np.arange(len(segment)) % 40 > 0] = IGNORE
        np.save(folder / "segment.npy", segment)
    arguments = ["labels.file=null", "method=label_efficient", "steps=4", "augment.mix=0"]
    done = tool_here("train", *settings(rooms, tmp_path / "run", *arguments))
    assert done.returncode == 0, done.stderr
    found = WeakLabels.load(tmp_path / "run" / "labels" / "spread.npz")
    assert found.parameters["budget"] is None
    assert found.count > 20 * 15
