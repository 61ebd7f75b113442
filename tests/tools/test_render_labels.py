"""tools/render_labels.py as typed, on a simulated room: labels of points come into the pictures that show them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import pcseg
from pcseg.budgets.draw import draw_uniform
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, S3DIS
from pcseg.datasets import open_dataset
from pcseg.scenes.scene import read_scene, write_scene
from pcseg.simulation import Settings, simulate_room
from tests.tools._pictures import picture_checkpoint
from tests.tools._runs import checkpoint, failed, tool_here

FRAMES, ROOM = 3, "Area_1/office_1"


@pytest.fixture(scope="module")
def building(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a raw room, the prepared one, its prepared frames, and a file of all labels of its points."""
    root = tmp_path_factory.mktemp("building")
    simulate_room(root / "raw", 1, 0, Settings(points=20_000, frames=FRAMES)).rename(root / "room")
    (root / "raw" / ROOM).parent.mkdir(exist_ok=True)
    (root / "room").rename(root / "raw" / ROOM)
    for kind, target in (("s3dis", "scenes"), ("frames", "pictures")):
        reader = open_dataset(str(root / "raw"), kind)
        for name in reader.scenes():
            if name.startswith(ROOM):
                write_scene(root / target, reader.read(name)[0])
    scene = read_scene(root / "scenes" / ROOM, S3DIS, with_labels=True)
    draw_uniform([scene], S3DIS, 1.0).save(root / "labels.npz")
    return root


def arguments(building: Path, output: Path, *more: str) -> list[str]:
    found = {"root": "scenes", "labels": "labels.npz", "frames": "raw", "pictures": "pictures"}
    paths = [f"{name}={building / path}" for name, path in found.items()]
    return [*paths, "splits=[Area_1]", f"output={output}", *more]


def test_labels_of_points_are_those_of_the_pixels_that_show_them(building: Path, tmp_path: Path) -> None:
    done = tool_here("render_labels", *arguments(building, tmp_path / "drawn.npz"))
    assert done.returncode == 0, done.stderr
    labels = WeakLabels.load(tmp_path / "drawn.npz")
    assert labels.rule == "rendered"
    assert [entry.name for entry in labels.scenes] == [f"{ROOM}_{i}" for i in range(FRAMES)]
    drawn, right, pixels = 0, 0, 0
    for entry in labels.scenes:
        picture = read_scene(building / "pictures" / entry.name, S3DIS, with_labels=True)
        found, weight = labels.labels(picture), labels.weights(picture)
        assert weight is not None
        assert weight.max() < 1  # none of them was given
        known = (found != IGNORE) & (picture.segment != IGNORE)
        drawn, pixels = drawn + known.sum(), pixels + len(picture)
        right += (found == picture.segment)[known].sum()
    assert drawn > 0.5 * pixels
    assert right > 0.93 * drawn


def test_a_network_labels_the_scans(building: Path, tmp_path: Path) -> None:
    """Pixels have the labels that a file of its predictions gives them, with its confidence as weight."""
    path = checkpoint(tmp_path / "clouds.safetensors", classes=S3DIS)
    network = pcseg.load(path, "cpu")
    scene = network.read(building / "scenes" / ROOM, with_labels=False)
    label, confidence = network.predict_scene(scene)
    arrays = np.arange(len(scene)), label, confidence.astype(np.float16)
    entry = SceneLabels(scene.name, len(scene), scene.digest(), *arrays)
    WeakLabels(S3DIS.names, "pseudo", {}, None, (entry,)).save(tmp_path / "predicted.npz")
    others = [a for a in arguments(building, tmp_path / "x.npz", "keep=0") if not a.startswith(("labels", "output"))]
    pictures = [read_scene(building / "pictures" / f"{ROOM}_{i}", S3DIS, with_labels=False) for i in range(FRAMES)]
    found = []
    for name, given in (("a", f"labels={tmp_path}/predicted.npz"), ("b", f"checkpoint={path}")):
        done = tool_here("render_labels", *others, given, "device=cpu", f"output={tmp_path}/{name}.npz")
        assert done.returncode == 0, done.stderr
        labels = WeakLabels.load(tmp_path / f"{name}.npz")
        found.append([(labels.labels(picture), labels.weights(picture)) for picture in pictures])
    np.testing.assert_array_equal(*[[labels for labels, _ in each] for each in found])
    np.testing.assert_allclose(*[[weights for _, weights in each] for each in found], atol=1e-3)
    assert len(np.unique([labels for labels, _ in found[0]])) > 2
    failed(tool_here("render_labels", *others, f"output={tmp_path}/c.npz"), "labels, checkpoint: give one of them")
    other = picture_checkpoint(tmp_path / "pictures.safetensors", S3DIS)
    failed(
        tool_here("render_labels", *others, f"output={tmp_path}/c.npz", f"checkpoint={other}"),
        "is a network of pictures",
    )


def moved(building: Path, tmp_path: Path, *more: str) -> list[str]:
    """Return arguments with the frames, which are copied there, and with the pictures in ``tmp_path``."""
    shutil.copytree(building / "raw", tmp_path / "raw")
    shutil.copytree(building / "pictures", tmp_path / "pictures")
    run = [a for a in arguments(building, tmp_path / "drawn.npz") if not a.startswith(("frames", "pictures"))]
    return [*run, f"frames={tmp_path}/raw", f"pictures={tmp_path}/pictures", *more]


def test_pictures_that_nothing_is_drawn_into_are_covered_without_labels(building: Path, tmp_path: Path) -> None:
    run = moved(building, tmp_path)
    np.savetxt(tmp_path / "raw" / ROOM / "pose" / "0.txt", np.full((4, 4), -np.inf))
    (tmp_path / "raw" / ROOM / "pose" / "2.txt").unlink()
    shutil.copytree(building / "pictures" / f"{ROOM}_1", tmp_path / "pictures" / "Area_1" / "hall_0")  # no scan of it
    done = tool_here("render_labels", *run)
    assert done.returncode == 0, done.stderr
    assert "3 pictures that nothing is drawn into, Area_1/hall_0 first" in done.stdout
    labels = WeakLabels.load(tmp_path / "drawn.npz")
    names = [f"{ROOM}_{i}" for i in range(FRAMES)] + ["Area_1/hall_0"]
    assert labels.labeled(names).tolist() == [False, True, False, False]
    for name in names:
        labels.labels(read_scene(tmp_path / "pictures" / name, S3DIS, with_labels=False))  # it is of this picture


def test_a_scan_without_frames_leaves_its_pictures_without_labels(building: Path, tmp_path: Path) -> None:
    run = [a for a in moved(building, tmp_path) if not a.startswith("root=")]
    for name in ("office_1", "office_2"):
        shutil.copytree(building / "scenes" / ROOM, tmp_path / "scenes" / "Area_1" / name)
    scenes = [read_scene(tmp_path / "scenes" / "Area_1" / f"office_{i}", S3DIS, with_labels=True) for i in (1, 2)]
    draw_uniform(scenes, S3DIS, 1.0).save(tmp_path / "labels.npz")
    shutil.copytree(building / "pictures" / f"{ROOM}_1", tmp_path / "pictures" / "Area_1" / "office_2_0")
    run = [a for a in run if not a.startswith("labels=")]
    done = tool_here("render_labels", *run, f"root={tmp_path}/scenes", f"labels={tmp_path}/labels.npz")
    assert done.returncode == 0, done.stderr
    labels = WeakLabels.load(tmp_path / "drawn.npz")
    assert labels.labeled([f"{ROOM}_1", "Area_1/office_2_0"]).tolist() == [True, False]


def test_frames_that_show_nothing_are_refused(building: Path, tmp_path: Path) -> None:
    run = moved(building, tmp_path)
    scene = read_scene(building / "scenes" / ROOM, S3DIS, with_labels=False)
    WeakLabels.none([scene], S3DIS).save(tmp_path / "none.npz")
    unlabeled = [a for a in run if not a.startswith("labels=")]
    failed(tool_here("render_labels", *unlabeled, f"labels={tmp_path}/none.npz"), "none.npz: 3 frames", "lower keep")
    for path in (tmp_path / "raw" / ROOM / "pose").iterdir():
        pose = np.loadtxt(path)
        pose[:3, 3] += 1e4
        np.savetxt(path, pose)
    failed(tool_here("render_labels", *run), f"frames={tmp_path}/raw: 3 frames see no point")
    assert not (tmp_path / "drawn.npz").exists()


def test_what_does_not_fit_is_refused_in_one_line(building: Path, tmp_path: Path) -> None:
    output = tmp_path / "drawn.npz"
    failed(tool_here("render_labels", *arguments(building, output, "keep=2")), "keep=2")
    nothing = [a for a in arguments(building, output) if not a.startswith("pictures=")]
    failed(tool_here("render_labels", *nothing, f"pictures={tmp_path}"), f"pictures={tmp_path}", "dataset=frames")
    pixels = [a for a in arguments(building, output) if not a.startswith("root=")]
    failed(tool_here("render_labels", *pixels, f"root={building}/pictures"), "is a picture")
    output.write_bytes(b"mine")
    failed(tool_here("render_labels", *arguments(building, output)), "is there already")
    assert output.read_bytes() == b"mine"
