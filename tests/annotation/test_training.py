"""Training from the page, with a tool that only pretends to train."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.datasets import choose_classes
from pcseg.formats import write_cloud
from pcseg.scenes.scene import read_classes, read_scene
from tests.annotation.rooms import CLASSES, room, write_root
from tests.annotation.served import Client, make_desk, served

TOOL = """
import json, pathlib, sys, time
settings = dict(argument.split("=", 1) for argument in sys.argv[1:])
output = pathlib.Path(settings["output"])
output.mkdir()
(output / "settings.json").write_text(json.dumps(settings))
for step in range(1, 4):
    with open(output / "curve.jsonl", "a") as curve:
        curve.write(json.dumps({"step": step, "loss": 1 / step}) + "\\n")
print("working", flush=True)
time.sleep(float(settings["sleep"]))
if settings["fail"] == "yes":
    sys.exit("error: no good")
(output / "metrics.json").write_text("{}")
"""


def tool(tmp_path: Path) -> Path:
    (tmp_path / "tool.py").write_text(TOOL)
    return tmp_path / "tool.py"


def click(client: Client, name: str) -> None:
    assert client.send("open", scene=name)[0] == 200
    request = {"kind": "label", "places": [3, 4], "class": CLASSES[2], "how": "brush", "seconds": 1, "id": "a"}
    assert client.send("act", scene=name, **request)[0] == 200


def ended(client: Client, name: str) -> dict[str, Any]:
    while (about := client.ask("ping", scene=name)[1]["training"])["state"] == "running":
        time.sleep(0.05)
    return about


def test_a_run_gets_the_clicks_and_tells_its_progress(tmp_path: Path) -> None:
    root = write_root(tmp_path / "a root", ("train/room", "test/hall"), count=90)
    with served(make_desk(root, tool(tmp_path), 3, ("sleep=0.5", "fail=no"))) as (client, _):
        status, about, _ = client.send("train", what="start")
        assert (status, about["text"]) == (422, "there is no click yet; label points first")
        click(client, "train/room")
        assert client.send("train", what="start")[1]["training"]["state"] == "running"
        assert client.send("train", what="start")[0] == 422
        about = ended(client, "train/room")
        assert (about["state"], about["step"], about["steps"], about["finished"]) == ("done", 3, 3, "1")
        assert about["loss"] == pytest.approx(1 / 3)
    settings = json.loads((root / "annotations/runs/1/settings.json").read_text())
    assert (settings["data.root"], settings["data.train"], settings["method"]) == (
        str(root), "['train']", "label_efficient",
    )  # fmt: skip
    assert choose_classes(settings["data.classes"].strip("'"), root).names == CLASSES
    labels = WeakLabels.load(settings["labels.file"])
    assert [scene.name for scene in labels.scenes] == ["train/room"]
    assert labels.count == 2
    assert labels.classes == CLASSES


def test_a_raw_scan_is_prepared_first(tmp_path: Path) -> None:
    path, scene = tmp_path / "scan.ply", room(90)
    write_cloud(path, scene.coord.astype(np.float64), color=scene.color)
    with served(make_desk(path, tool(tmp_path), 3, ("sleep=0", "fail=no"))) as (client, _):
        click(client, "train/scan")
        client.send("train", what="start")
        assert ended(client, "train/scan")["state"] == "done"
    home = tmp_path / "scan.ply.annotations"
    settings = json.loads((home / "runs/1/settings.json").read_text())
    assert settings["data.root"] == str(home / "scenes")
    assert read_classes(home / "scenes").names == CLASSES
    prepared = read_scene(home / "scenes/train/scan", Classes(CLASSES), with_labels=False)
    assert WeakLabels.load(settings["labels.file"]).labels(prepared).max() == 2


def test_a_run_that_fails_says_why_and_one_that_is_stopped_ends(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root", count=90)
    with served(make_desk(root, tool(tmp_path), 3, ("sleep=0", "fail=yes"))) as (client, _):
        click(client, "train/room")
        client.send("train", what="start")
        about = ended(client, "train/room")
        assert about["state"] == "failed"
        assert about["log"][-1] == "error: no good"
        assert client.send("train", what="use", scene="train/room")[0] == 422
    with served(make_desk(root, tool(tmp_path), 3, ("sleep=60", "fail=no"))) as (client, _):
        click(client, "train/room")
        client.send("train", what="start")
        assert client.send("train", what="stop")[1]["training"]["state"] == "stopped"
