"""tools/evaluate.py from the command line: one confusion matrix, folds, submissions, and bad input."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest

import pcseg
from pcseg.classes import SCANNET20, SCANNET20_NYU40, Classes
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.trained_on import TrainedOn
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene, write_scene
from tests.tools._runs import CLASSES, checkpoint, failed, room, tool, tool_here


def counts_of(path, rooms, split):
    """The confusion matrix, counted point by point."""
    predictor = pcseg.load(path, "cpu")
    counts = np.zeros((3, 3), dtype=int)
    for folder in list_scenes(rooms, [split]):
        scene = read_scene(folder, CLASSES, with_labels=True)
        labels, _ = predictor.predict(scene.coord, scene.color)
        np.add.at(counts, (scene.segment, labels), 1)
    return counts


def miou_of(counts):
    hits = np.diag(counts)
    return float(np.mean(hits / (counts.sum(0) + counts.sum(1) - hits)))


def test_a_checkpoint_is_scored_where_its_run_held_back(rooms, tmp_path):
    path = checkpoint(tmp_path / "last.safetensors", scenes=TrainedOn(str(rooms), ("Area_1",), ("Area_5",)))
    done = tool("evaluate", f"checkpoint={tmp_path}", f"output={tmp_path / 'out'}", "predictions=true", "device=cpu")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    counts = counts_of(path, rooms, "Area_5")
    assert metrics["confusion"] == counts.tolist()
    assert metrics["miou"] == pytest.approx(miou_of(counts))
    for words in ("voxel 0.2 m", "1 vote", "full resolution", "2 scenes of Area_5"):
        assert words in metrics["protocol"]
        assert words in done.stdout
    saved = np.load(tmp_path / "out" / "predictions" / "Area_5" / "c.npy")
    assert saved.shape == (600,)


def test_an_absent_class_is_null_and_out_of_the_mean(rooms, tmp_path):
    path = checkpoint(tmp_path / "last.safetensors")
    scene = room("Area_9/x", 9)
    write_scene(tmp_path / "rooms", scene.having(segment=np.where(scene.segment == 2, 0, scene.segment)))
    done = tool_here(
        "evaluate", f"checkpoint={path}", f"output={tmp_path}", f"data.root={tmp_path / 'rooms'}", "data.test=[Area_9]"
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["iou"]["chair"] is None
    assert metrics["miou"] == pytest.approx((metrics["iou"]["floor"] + metrics["iou"]["wall"]) / 2)


def test_folds_are_merged_by_summing_their_matrices(rooms, tmp_path):
    paths = [
        checkpoint(tmp_path / f"{area}.safetensors", seed=seed, scenes=TrainedOn(str(rooms), ("Area_9",), (area,)))
        for seed, area in enumerate(("Area_1", "Area_5"))
    ]
    for seed, path in enumerate(paths):
        model = load_model(path)
        save_model(path, replace(model, record={**model.record, "labels": {"count": seed}}))
    folds = f"checkpoint=[{paths[0]},{paths[1]}]"
    done = tool_here("evaluate", folds, f"output={tmp_path}")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    counts = [counts_of(path, rooms, area) for path, area in zip(paths, ("Area_1", "Area_5"), strict=True)]
    assert metrics["confusion"] == (counts[0] + counts[1]).tolist()
    assert metrics["miou"] == pytest.approx(miou_of(counts[0] + counts[1]))
    assert metrics["labels"] == [{"count": 0}, {"count": 1}]
    mean = (miou_of(counts[0]) + miou_of(counts[1])) / 2
    assert metrics["folds"]["mean_of_miou"] == pytest.approx(mean)
    assert mean != pytest.approx(metrics["miou"])
    assert "mean of the folds" in done.stdout

    failed(tool_here("evaluate", f"checkpoint=[{paths[0]},{paths[0]}]", f"output={tmp_path}"), "Area_1", "twice")


def test_a_split_that_was_trained_on_is_told(rooms, tmp_path):
    path = checkpoint(tmp_path / "last.safetensors", scenes=TrainedOn(str(rooms), ("Area_1",), ("Area_5",)))
    for given, found in (("[Area_5]", []), ("[Area_5,Area_1/]", ["Area_1/"])):
        done = tool_here("evaluate", f"checkpoint={path}", f"output={tmp_path}", f"data.test={given}")
        assert done.returncode == 0, done.stderr
        metrics = json.loads((tmp_path / "metrics.json").read_text())
        assert metrics["trained_on"] == found
        assert (f"warning: {path} was TRAINED on Area_1/ of {rooms}" in done.stderr) == bool(found)
        assert ("TRAINED on Area_1/" in metrics["protocol"]) == bool(found)

    elsewhere = tmp_path / "other_building"  # other scenes in splits of the same names
    shutil.copytree(rooms, elsewhere)
    done = tool_here(
        "evaluate", f"checkpoint={path}", f"output={tmp_path}", f"data.root={elsewhere}", "data.test=[Area_1]"
    )
    assert "TRAINED" not in done.stderr + done.stdout
    assert json.loads((tmp_path / "metrics.json").read_text())["trained_on"] == []

    unknown = checkpoint(tmp_path / "other.safetensors")
    given = f"data.root={rooms}", "data.test=[Area_5]"
    assert tool_here("evaluate", f"checkpoint={unknown}", f"output={tmp_path}", *given).returncode == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["trained_on"] is None


def test_help_tells_settings_and_no_choices_of_another_tool():
    done = tool_here("evaluate", "--help")
    assert done.returncode == 0
    assert "rotated and shifted views" in done.stdout
    assert "choices" not in done.stdout
    assert "dense_propagation" not in done.stdout


def test_a_scannet_submission_holds_an_nyu40_id_a_vertex(rooms, tmp_path):
    classes = Classes(("floor", "shower curtain", "chair"))
    path = checkpoint(tmp_path / "net.safetensors", classes=classes)
    scene = room("test/scene0707_00", 7)
    write_scene(tmp_path / "scans", replace(scene, attributes={"color": scene.color}, classes=()))
    done = tool_here(
        "evaluate", f"checkpoint={path}", f"output={tmp_path}", f"data.root={tmp_path / 'scans'}", "data.test=[test]",
        "submission=true", "predictions=true",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "submission" / "scene0707_00.txt").read_text()
    labels = np.load(tmp_path / "predictions" / "test" / "scene0707_00.npy")
    ids = [SCANNET20_NYU40[SCANNET20.index(classes.names[k])] for k in labels]
    assert text.split() == [str(i) for i in ids]
    assert set(ids) <= {2, 5, 28}
    with zipfile.ZipFile(tmp_path / "submission.zip") as archive:
        assert archive.namelist() == ["scene0707_00.txt"]
    assert json.loads((tmp_path / "metrics.json").read_text())["miou"] is None


def test_scenes_of_other_classes_are_told_before_the_work(rooms, tmp_path):
    write_scene(tmp_path / "rooms", replace(room("Area_5/x", 1), classes=("tree", "house", "lamp")))
    shutil.copytree(rooms / "Area_5" / "c", tmp_path / "rooms" / "Area_5" / "c")
    path = checkpoint(tmp_path / "net.safetensors")
    done = tool_here(
        "evaluate", f"checkpoint={path}", f"output={tmp_path}/out", f"data.root={tmp_path}/rooms", "data.test=[Area_5]",
        "predictions=true",
    )  # fmt: skip
    failed(done, "tree, house, lamp", "floor, wall, chair")
    assert not (tmp_path / "out").exists()


def test_a_root_that_was_relative_to_another_folder_is_told(rooms, tmp_path):
    path = checkpoint(tmp_path / "net.safetensors", scenes=TrainedOn("data/away", (), ("Area_5",)))
    done = tool_here("evaluate", f"checkpoint={path}", f"output={tmp_path}/out")
    failed(done, "net.safetensors: was trained on data/away, which is no folder in", "data.root=")
    again = tool_here("evaluate", f"checkpoint={path}", f"output={tmp_path}/out", f"data.root={rooms}")
    assert again.returncode == 0, again.stderr


def test_a_checkpoint_of_the_first_version_names_its_scenes_in_its_config(rooms, tmp_path):
    model = load_model(checkpoint(tmp_path / "net.safetensors"))
    data = {"root": str(rooms), "train": ["Area_1", "Area_5"], "test": ["Area_5"]}
    save_model(tmp_path / "net.safetensors", replace(model, record={"config": {"data": data}, "step": 7}))
    arguments = (f"checkpoint={tmp_path}/net.safetensors", f"output={tmp_path}/e")
    assert tool_here("evaluate", *arguments).returncode == 0
    assert "scenes of Area_5;" in json.loads((tmp_path / "e" / "metrics.json").read_text())["protocol"]
    done = tool_here("evaluate", *arguments, "data.test=Area_1")
    assert "TRAINED on Area_1" in done.stderr
    assert f"trained on Area_1 of {rooms} for 7 steps" in repr(load_model(tmp_path / "net.safetensors"))


SCENES = {"root": "rooms", "train": ["Area_1"], "test": ["Area_5"]}


@pytest.mark.parametrize(
    "record",
    [
        {}, {"config": None}, {"config": []}, {"config": {}}, {"config": {"data": 5}}, {"trained_on": 5},
        {"trained_on": {"train": ["a"], "test": ["Area_5"]}},
        {"config": {"data": {"train": ["a"], "test": ["Area_5"]}}},
        *({"trained_on": SCENES | damaged} for damaged in (
            {"root": [0.5]}, {"root": "a\0b"}, {"root": None}, {"test": False}, {"test": [["Area_5"]]},
            {"test": "Area_5"}, {"train": [None]}, {"train": {"Area_1": 1}}, {"test": ["a\0"]}, {"test": [""]},
        )),
    ],
)  # fmt: skip
def test_a_damaged_record_of_the_training_is_not_relied_on(rooms, tmp_path, record):
    model = load_model(checkpoint(tmp_path / "net.safetensors"))
    save_model(tmp_path / "net.safetensors", replace(model, record=record))
    arguments = [f"checkpoint={tmp_path}/net.safetensors", f"output={tmp_path}/e", "device=cpu"]
    failed(tool_here("evaluate", *arguments), "trained on")
    assert tool_here("evaluate", *arguments, f"data.root={rooms}", "data.test=Area_5").returncode == 0
    assert json.loads((tmp_path / "e" / "metrics.json").read_text())["trained_on"] is None


def test_points_without_a_place_are_left_out_of_the_score_and_said(tmp_path, monkeypatch):
    scene = room("Area_5/x", 1)
    scene.coord[:7] = 3.4e38
    monkeypatch.setattr("pcseg.engine.predict.Predictor.read", lambda *given: scene)
    write_scene(tmp_path / "rooms", room("Area_5/x", 1))
    path = checkpoint(tmp_path / "net.safetensors")
    done = tool_here(
        "evaluate", f"checkpoint={path}", f"output={tmp_path}/out", f"data.root={tmp_path}/rooms", "data.test=[Area_5]"
    )
    assert done.returncode == 0, done.stderr
    assert sum(map(sum, json.loads((tmp_path / "out" / "metrics.json").read_text())["confusion"])) == 593
    assert "Area_5/x: 7 points without finite coordinates are left out" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["checkpoint=nowhere"], ["nowhere", "no such checkpoint"]),
        ([], ["checkpoint"]),
        (["checkpoint={net}"], ["data.root"]),
        (["checkpoint={net}", "data.root=nowhere", "data.test=[a]"], ["nowhere"]),
        (["checkpoint={net}", "data.root={rooms}", "data.test=[Area_7]"], ["Area_7", "Area_1"]),
        (["checkpoint={net}", "data.root={rooms}", "data.test=[Area_5]", "votes=0"], ["votes=0"]),
        (
            ["checkpoint={net}", "data.root={rooms}", "data.test=[Area_5]", "submission=true"],
            ["is not a ScanNet class"],
        ),
        (["checkpoint={net}", "vote=2"], ["vote"]),
        (["checkpoint=nowhere", "output=/proc/out"], ["output=/proc/out: cannot write"]),
        (["checkpoint=[]"], ["checkpoint=[]"]),
        (["checkpoint=5"], ["5: no such checkpoint"]),
        (["checkpoint={net}", "threads=0"], ["threads=0"]),
    ],
)
def test_bad_input_is_refused_in_one_line(rooms, tmp_path, arguments, words):
    net = checkpoint(tmp_path / "net.safetensors", classes=Classes(("floor", "wall", "spaceship")))
    filled = [a.format(net=net, rooms=rooms) for a in arguments]
    failed(tool_here("evaluate", f"output={tmp_path / 'out'}", *filled), *words)
    assert not (tmp_path / "out" / "metrics.json").exists()
