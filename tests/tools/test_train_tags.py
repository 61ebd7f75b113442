"""Training from tags alone on the command line, and on the labels that come of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcseg.budgets.draw import draw_points, draw_scenes, draw_tags
from pcseg.budgets.tags import SceneTags, Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene
from tests.tools._runs import CLASSES, building, curve, failed, settings, tool_here


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """The building with the tags of two balls in each room to train on, no label, and no ground truth there."""
    root = building(tmp_path_factory.mktemp("building"))
    scenes = [read_scene(f, CLASSES, with_labels=True) for f in list_scenes(root, ["Area_1"])]
    draw_points(scenes, CLASSES, 12).save(root.parent / "few.npz")
    draw_scenes(scenes, CLASSES, [], count=0).save(root.parent / "labels.npz")
    draw_tags(scenes, CLASSES, radius=1.0, points=2).save(root.parent / "tags.json")
    for scene in list_scenes(root, ["Area_1"]):
        (scene / "segment.npy").write_bytes(b"poison")
    return root


def train(rooms, output, *more):
    tags = f"labels.tags={rooms.parent / 'tags.json'}"
    return tool_here("train", *settings(rooms, output, "method=cam", "then=tag_labels", "steps=6", tags, *more))


def check_allowed(rooms, labels):
    """Points in balls are labeled, and with classes that tags say are there."""
    tags = Tags.load(rooms.parent / "tags.json")
    for folder in list_scenes(rooms, ["Area_1"]):
        scene = read_scene(folder, CLASSES, with_labels=False)
        allowed = tags.scene(scene.name).allowed(scene.coord + scene.origin)
        told = allowed.any(axis=1) & (labels.labels(scene) >= 0)
        assert told.any()
        assert allowed[told, labels.labels(scene)[told]].mean() > 0.98  # a node may hold points in and out of a ball


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


def test_beside_points_tags_are_spread_and_cut_no_sample(rooms, tmp_path):
    """A run on what it spread, without the tags, sees the same samples."""
    few, tags = f"labels.file={rooms.parent / 'few.npz'}", rooms.parent / "tags.json"
    arguments = (few, f"labels.tags={tags}", "method=label_efficient", "steps=4")
    done = tool_here("train", *settings(rooms, tmp_path / "with", *arguments))
    assert done.returncode == 0, done.stderr
    spread = tmp_path / "with/labels/spread.npz"
    labels = WeakLabels.load(spread)
    assert labels.parameters["tags"] == Tags.load(tags).sha256
    again = (f"labels.file={spread}", "method=soft_labels", "steps=4")
    done = tool_here("train", *settings(rooms, tmp_path / "without", *again))
    assert done.returncode == 0, done.stderr
    losses = [[line["cross_entropy"] for line in curve(tmp_path / name)] for name in ("with", "without")]
    assert losses[0] == losses[1]


def test_the_tool_spreads_by_tags_as_a_run_does(rooms, tmp_path):
    given = (f"root={rooms}", f"labels={rooms.parent / 'few.npz'}", "features=[]")
    alone, tagged = (f"output={tmp_path / name}.npz" for name in ("alone", "tagged"))
    assert tool_here("spread_labels", *given, alone).returncode == 0
    done = tool_here("spread_labels", *given, tagged, f"tags={rooms.parent / 'tags.json'}")
    assert done.returncode == 0, done.stderr
    labels = WeakLabels.load(tmp_path / "tagged.npz")
    assert labels.sha256 != WeakLabels.load(tmp_path / "alone.npz").sha256
    check_allowed(rooms, labels)
    failed(tool_here("spread_labels", *given, tagged, "overwrite=true", "tags=none.json"), "none.json")


def test_tags_that_do_not_fit_are_named_with_their_file(rooms, tmp_path):
    tags = Tags.load(rooms.parent / "tags.json")
    few = WeakLabels.load(rooms.parent / "few.npz")
    far = tuple(replace(scene, center=scene.center + 100) for scene in tags.scenes)
    wrong = {
        "fewer": (replace(tags, scenes=tags.scenes[1:]), tags.scenes[0].name),
        "others": (replace(tags, classes=("floor", "wall", "lamp")), "lamp"),
        "labels": (Tags.from_labels(few), "draw tags"),
        "far": (replace(tags, scenes=far), "no point is in the tagged ball"),
    }
    given = (f"root={rooms}", f"labels={rooms.parent / 'few.npz'}", f"output={tmp_path / 'spread.npz'}")
    for name, (content, message) in wrong.items():
        content.save(tmp_path / f"{name}.json")
        file = () if name == "far" else (f"{name}.json",)
        failed(tool_here("spread_labels", *given, f"tags={tmp_path / name}.json"), message, *file)
    run = settings(
        rooms, tmp_path / "run", "method=label_efficient", f"labels.file={rooms.parent / 'few.npz'}", "steps=1"
    )
    failed(tool_here("train", *run, f"labels.tags={tmp_path / 'fewer.json'}"), tags.scenes[0].name, "does not cover")
    failed(tool_here("train", *run, f"labels.tags={tmp_path / 'far.json'}"), "no point is in the tagged ball")


def test_tags_alone_are_spread_too(rooms, tmp_path):
    """By the tool and by a run; without tags or without a forest that is refused."""
    given = (f"root={rooms}", f"labels={rooms.parent / 'labels.npz'}", f"output={tmp_path / 'spread.npz'}")
    tags = f"tags={rooms.parent / 'tags.json'}"
    done = tool_here("spread_labels", *given, tags, "voxel_size=0.1")
    assert done.returncode == 0, done.stderr
    found = WeakLabels.load(tmp_path / "spread.npz")
    check_allowed(rooms, found)
    arguments = (f"labels.{tags}", "method=label_efficient", "steps=2", "data.spread_voxel_size=0.1")
    done = tool_here("train", *settings(rooms, tmp_path / "run", *arguments))
    assert done.returncode == 0, done.stderr
    check_allowed(rooms, WeakLabels.load(tmp_path / "run/labels/spread.npz"))
    failed(tool_here("spread_labels", *given, "overwrite=true"), "none to spread", "tags=")
    failed(tool_here("spread_labels", *given, tags, "features=[]", "overwrite=true"), "features=[]", "need a forest")
    forest = ("method=label_efficient", "steps=2", "+stages.spread.before.forest=false")
    failed(tool_here("train", *settings(rooms, tmp_path / "none", *forest, f"labels.{tags}")), "before.forest=false")
    replace(Tags.load(rooms.parent / "tags.json"), scenes=tuple(
        SceneTags(scene.name, np.zeros(3, dtype=bool)) for scene in found.scenes
    )).save(tmp_path / "nothing.json")  # fmt: skip
    nothing = f"tags={tmp_path / 'nothing.json'}"
    failed(tool_here("spread_labels", *given, nothing, "overwrite=true"), "tags: name no class")
    failed(
        tool_here("train", *settings(rooms, tmp_path / "none", "method=label_efficient", "steps=2")),
        "0 points of the 2",
    )


def test_labels_are_made_anew_between_rounds(rooms, tmp_path):
    """Each pass by the network as it then is; the next stage learns from its labels."""
    arguments = ("method=aux_seg_rounds", f"labels.tags={rooms.parent / 'tags.json'}", "steps=8")
    confidence = [f"stages.{stage}.before.confidence=0.3" for stage in ("second", "third")]
    done = tool_here("train", *settings(rooms, tmp_path, *arguments, *confidence))
    assert done.returncode == 0, done.stderr
    lines = curve(tmp_path)
    assert [line["stage"] for line in lines] == ["main"] * 4 + ["second"] * 2 + ["third"] * 2
    assert all(line["cross_entropy"] == 0 for line in lines[:4])
    assert all(line["cross_entropy"] > 0 for line in lines[4:])
    second, third = (WeakLabels.load(tmp_path / "labels" / f"{stage}.npz") for stage in ("second", "third"))
    assert second.parameters["weights"] != third.parameters["weights"]
    for labels in (second, third):
        check_allowed(rooms, labels)
