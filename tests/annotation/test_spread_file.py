"""The label file of spread labels: what it holds, and that tools/train.py takes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pcseg.annotation.answers import Told
from pcseg.annotation.export import write_spread_file
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.scenes.scene import read_scene
from tests.annotation.rooms import CLASSES, write_root
from tests.annotation.served import Client, make_desk, served
from tests.tools._runs import TINY, tool_here

ROOM, HALL = "train/room", "train/hall"


def exported(client: Client, what: str, keep: object = 0.2) -> Told:
    status, about, arrays = client.send("export", scene=ROOM, what=what, keep=keep)
    assert status == 200, about
    return about, arrays


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "root", (ROOM, HALL), count=300)


def labeled(client: Client) -> None:
    assert client.send("open", scene=ROOM)[0] == 200
    for number in range(3):
        request = {"places": [number], "class": CLASSES[number], "how": "click", "seconds": 1, "id": f"{number}"}
        assert client.send("act", scene=ROOM, kind="label", **request)[0] == 200


def test_spread_labels_have_their_confidence_as_weight_and_those_of_people_1(root: Path) -> None:
    desk = make_desk(root)
    with served(desk) as (client, _):
        labeled(client)
        clicks = WeakLabels.load(exported(client, "labels")[0]["path"])
        some, every = (WeakLabels.load(exported(client, "spread", keep)[0]["path"]) for keep in (0.5, 0))
        label, sure = desk.labels(ROOM)
        anew = write_spread_file(desk.place, clicks, root / "anew.npz", 0, {})
        assert client.send("export", scene=ROOM, what="spread", keep="x")[0] == 422
    assert clicks.count == 3
    assert anew.sha256 == every.sha256, "spread anew from the clicks alone it is the same, bit for bit"
    scene = read_scene(root / ROOM, Classes(CLASSES), with_labels=False)
    weights = every.weights(scene)
    assert weights is not None
    np.testing.assert_array_equal(every.labels(scene), label)
    np.testing.assert_allclose(weights, np.where(label < 0, 0, np.where(sure == 1, 1, sure)), atol=1e-3)
    np.testing.assert_array_equal(every.given(scene), clicks.labels(scene))  # no guess is taken for a click
    assert every.parameters["budget"] == some.parameters["budget"] == clicks.sha256
    np.testing.assert_array_equal(some.labels(scene), np.where(sure >= 0.5, label, IGNORE))
    assert 3 < some.count < every.count
    assert HALL in every, "scenes of the split that have no click are covered without labels"


def test_training_takes_spread_labels(root: Path, tmp_path: Path) -> None:
    with served(make_desk(root)) as (client, _):
        labeled(client)
        path = exported(client, "spread")[0]["path"]
    done = tool_here(
        "train", "experiment=custom", f"data.root={root}", "data.train=[train]", "data.test=[]", f"labels.file={path}",
        "method=soft_labels", "steps=2", "batch_size=1", f"output={tmp_path / 'run'}", *TINY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    labels = WeakLabels.load(path)
    told = json.loads((tmp_path / "run/metrics.json").read_text())["labels"]
    assert (told["sha256"], told["count"]) == (labels.sha256, labels.count)
