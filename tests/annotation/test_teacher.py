"""A network looks at scans that are being labeled: scene folders and raw files, of more classes or fewer."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from pcseg.annotation.desk import Desk
from pcseg.annotation.sources import open_place
from pcseg.annotation.spread import NONE
from pcseg.annotation.training import Training
from pcseg.datasets import ClassFile
from pcseg.engine.predict import Predictor
from pcseg.formats import write_cloud
from pcseg.model.checkpoint import save_model
from tests.annotation.rooms import room, write_root
from tests.engine.scans import model


def looked(desk: Desk, name: str) -> str:
    desk.open(name, "window-one", False)
    end = time.monotonic() + 60
    while desk.looked.get(name, "predicting") == "predicting" and time.monotonic() < end:
        time.sleep(0.02)
    return desk.looked[name]


def desk_at(path: Path, names: tuple[str, ...], checkpoint: Path) -> Desk:
    place = open_place(path, ClassFile(names))
    return Desk(place, "Ada", Training(place, Path("none"), 1), checkpoint, "cpu")


@pytest.mark.parametrize("raw", [False, True])
def test_prediction_and_doubt_are_those_of_the_network(tmp_path: Path, raw: bool) -> None:
    network = model()
    save_model(tmp_path / "net.safetensors", network)
    scene = room(200)
    if raw:
        root, name = tmp_path / "scan.ply", "train/scan"
        write_cloud(root, scene.coord.astype(np.float64), color=scene.color)
    else:
        root, name = write_root(tmp_path / "root", ("train/room",), count=200), "train/room"
    names = ("other", *network.classes.names)
    desk = desk_at(root, names, tmp_path / "net.safetensors")
    assert looked(desk, name).startswith("predicted")
    session = desk.session(name, "window-one")
    label, _ = Predictor(network).predict(scene.coord, scene.color)
    assert session.doubt is not None
    clear = session.doubt < 0.95
    assert (session.prediction[clear] == label[clear] + 1).all(), "by the names of the classes"
    assert clear.any()
    assert (session.prediction != NONE).all()
    desk.close()


def test_a_network_of_other_classes_is_refused_in_a_line(tmp_path: Path) -> None:
    save_model(tmp_path / "net.safetensors", model())
    desk = desk_at(write_root(tmp_path / "root", count=200), ("this", "that"), tmp_path / "net.safetensors")
    assert "knows none of the classes this, that" in looked(desk, "train/room")
    desk.close()
