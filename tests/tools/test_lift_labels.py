"""tools/lift_labels.py as typed, on a simulated room and its frames: true labels come to the points that are seen.

Bad input and its message: see the last two tests.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pcseg
from pcseg.budgets.draw import draw_points
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, S3DIS, Classes
from pcseg.datasets import open_dataset
from pcseg.scenes.scene import Scene, read_scene, write_scene
from pcseg.simulation import Settings, simulate_room
from tests.formats.frame_files import sens
from tests.tools._pictures import picture_checkpoint
from tests.tools._runs import CLASSES, checkpoint, failed, tool_here

FRAMES = 8
ROOM = "Area_1/office_1"


@pytest.fixture(scope="module")
def building(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the raw room and the prepared one."""
    root = tmp_path_factory.mktemp("building")
    simulate_room(root / "raw", 1, 0, Settings(points=10_000, frames=FRAMES)).rename(root / "room")
    (root / "raw" / ROOM).parent.mkdir(exist_ok=True)
    (root / "room").rename(root / "raw" / ROOM)
    write_scene(root / "scenes", open_dataset(str(root / "raw"), "s3dis").read(ROOM)[0])
    return root


@pytest.fixture
def raw(building: Path, tmp_path: Path) -> Path:
    """Return a copy of the raw room's frames, to be changed."""
    for kind in ("color", "depth", "pose", "intrinsic", "label"):
        shutil.copytree(building / "raw" / ROOM / kind, tmp_path / "raw" / ROOM / kind)
    return tmp_path / "raw"


def lift(building: Path, frames: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    found = (f"root={building / 'scenes'}", "splits=Area_1", f"frames={frames}", f"output={output}")
    return tool_here("lift_labels", *found, *more)


def lifted(building: Path, frames: Path, output: Path, *more: str) -> tuple[WeakLabels, str]:
    done = lift(building, frames, output, *more)
    assert done.returncode == 0, done.stderr
    return WeakLabels.load(output), done.stdout


def truth(building: Path) -> Scene:
    return read_scene(building / "scenes" / ROOM, S3DIS, with_labels=True)


def accuracy(building: Path, labels: WeakLabels) -> tuple[float, float]:
    """Return the share of the points with a label, and of these the share whose label is true."""
    scene = truth(building)
    found = labels.labels(scene)
    known = found != IGNORE
    return float(known.mean()), float((found == scene.segment)[known].mean())


def test_true_labels_come_to_the_points_that_are_seen(building: Path, tmp_path: Path) -> None:
    labels, told = lifted(building, building / "raw", tmp_path / "a.npz")
    share, right = accuracy(building, labels)
    assert share > 0.35
    assert right > 0.97
    assert labels.sha256 in told
    assert labels.rule == "lifted"
    assert not labels.at_random
    assert f"{FRAMES} frames of 1 scenes" in told
    weights = labels.weights(truth(building))
    assert weights is not None
    assert set(np.unique(weights[weights > 0]) > 0.5) == {True}
    assert weights.max() < 1
    again, _ = lifted(building, building / "raw", tmp_path / "b.npz")
    assert again.sha256 == labels.sha256


def test_no_label_of_a_scan_is_read(building: Path, tmp_path: Path) -> None:
    before, _ = lifted(building, building / "raw", tmp_path / "a.npz")
    segment = building / "scenes" / ROOM / "segment.npy"
    kept = segment.read_bytes()
    try:
        segment.write_bytes(b"garbage")
        after, _ = lifted(building, building / "raw", tmp_path / "b.npz")
    finally:
        segment.write_bytes(kept)
    assert after.sha256 == before.sha256


def test_a_sens_file_gives_the_same(building: Path, raw: Path, tmp_path: Path) -> None:
    wanted, _ = lifted(building, raw, tmp_path / "a.npz")
    frames = []
    for number in range(FRAMES):
        depth = np.asarray(Image.open(raw / ROOM / "depth" / f"{number}.png"))
        pose = np.loadtxt(raw / ROOM / "pose" / f"{number}.txt")
        frames.append((pose, np.zeros((*depth.shape, 3), np.uint8), depth))
    matrix = np.loadtxt(raw / ROOM / "intrinsic" / "intrinsic_depth.txt")
    for kind in ("depth", "pose", "intrinsic"):
        shutil.rmtree(raw / ROOM / kind)
    path = raw / ROOM / "office_1.sens"
    sens(path, frames, size=depth.shape, depth_size=depth.shape, matrices=(matrix, matrix))
    found, _ = lifted(building, raw, tmp_path / "b.npz")
    assert found.counts([ROOM], S3DIS).tolist() == pytest.approx(wanted.counts([ROOM], S3DIS), abs=3)
    assert (found.labels(truth(building)) == wanted.labels(truth(building))).mean() > 0.999  # poses of 32 bits
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    failed(lift(building, raw, tmp_path / "c.npz"), "office_1.sens: ends within frame", "cut off, copy it again")


def test_lost_frames_are_skipped_and_told(building: Path, raw: Path, tmp_path: Path) -> None:
    for number in (2, 5):
        (raw / ROOM / "pose" / f"{number}.txt").write_text("-inf -inf -inf -inf\n" * 4)
    found, told = lifted(building, raw, tmp_path / "a.npz")
    assert "2 frames skipped: tracking was lost" in told
    for number in (2, 5):
        (raw / ROOM / "label" / f"{number}.png").unlink()
    without, told = lifted(building, raw, tmp_path / "b.npz")
    assert found.labels(truth(building)).tolist() == without.labels(truth(building)).tolist()
    assert "tracking was lost" not in told
    fewer, told = lifted(building, raw, tmp_path / "c.npz", "every=3")
    assert "2 frames of 1 scenes" in told
    assert 0 < fewer.count < without.count


def test_without_depth_the_points_tell_what_is_seen(building: Path, raw: Path, tmp_path: Path) -> None:
    shutil.rmtree(raw / ROOM / "depth")
    labels, told = lifted(building, raw, tmp_path / "a.npz")
    share, right = accuracy(building, labels)
    assert share > 0.3
    assert right > 0.95
    assert f"{FRAMES} frames without depth" in told


def test_labels_of_a_budget_are_kept(building: Path, tmp_path: Path) -> None:
    budget = draw_points([truth(building)], S3DIS, 500)
    budget.save(tmp_path / "budget.npz")
    labels, _ = lifted(building, building / "raw", tmp_path / "a.npz", f"budget={tmp_path / 'budget.npz'}")
    scene = truth(building)
    known, weights = budget.labels(scene), labels.weights(scene)
    assert weights is not None
    np.testing.assert_array_equal(labels.labels(scene)[known != IGNORE], known[known != IGNORE])
    np.testing.assert_array_equal(weights == 1, known != IGNORE)
    assert labels.parameters["budget"] == budget.sha256
    assert labels.count > 3000


def test_probabilities_in_another_folder(building: Path, tmp_path: Path) -> None:
    """Half as large as the pictures, and less sure on the left: fewer labels are kept, with less weight."""
    folder = tmp_path / "predicted" / ROOM
    folder.mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps(dict(enumerate(S3DIS.names))))
    for number in range(FRAMES):
        mask = np.asarray(Image.open(building / "raw" / ROOM / "label" / f"{number}.png"))[::2, ::2]
        values = np.eye(14, dtype=np.float16)[mask][..., 1:]
        values[:, :80] = 0.55 * values[:, :80] + 0.45 / 13
        np.save(folder / f"{number}.npy", values)
    options = (f"labels={tmp_path / 'predicted'}",)
    labels, _ = lifted(building, building / "raw", tmp_path / "a.npz", *options)
    more, _ = lifted(building, building / "raw", tmp_path / "b.npz", *options, "keep=0")
    assert accuracy(building, labels)[1] > 0.95
    assert accuracy(building, labels)[0] < accuracy(building, more)[0]
    weights = more.weights(truth(building))
    assert weights is not None
    assert 0 < weights[weights > 0].min() < 0.5


def test_a_network_labels_the_pictures(building: Path, tmp_path: Path) -> None:
    """As its probabilities do in files; the order of its classes is another one."""
    classes = Classes(S3DIS.names[::-1], S3DIS.colors[::-1])
    path = picture_checkpoint(tmp_path / "pictures.safetensors", classes)
    folder, network = tmp_path / "predicted" / ROOM, pcseg.load(path, "cpu")
    folder.mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps(dict(enumerate(classes.names))))
    for number in range(FRAMES):
        image = np.asarray(Image.open(building / "raw" / ROOM / "color" / f"{number}.jpg"))
        scene = Scene(np.zeros((image.size // 3, 3)), {"color": image.reshape(-1, 3)}, size=image.shape[:2])
        np.save(folder / f"{number}.npy", network.probabilities(scene).reshape(*image.shape[:2], -1))
    wanted, _ = lifted(building, building / "raw", tmp_path / "a.npz", f"labels={folder}/../..", "keep=0")
    arguments = (f"checkpoint={path}", "device=cpu", "keep=0")
    found, told = lifted(building, building / "raw", tmp_path / "b.npz", *arguments)
    np.testing.assert_array_equal(found.labels(truth(building)), wanted.labels(truth(building)))
    assert f"{FRAMES} frames of 1 scenes" in told
    assert len(set(found.labels(truth(building)).tolist())) > 2
    assert "weights" in found.parameters
    other = picture_checkpoint(tmp_path / "other.safetensors", CLASSES)
    failed(lift(building, building / "raw", tmp_path / "c.npz", f"checkpoint={other}"), "differ in the classes")
    clouds = checkpoint(tmp_path / "clouds.safetensors", classes=S3DIS)
    failed(lift(building, building / "raw", tmp_path / "c.npz", f"checkpoint={clouds}"), "a network of point clouds")


def test_without_color_a_network_labels_nothing(building: Path, raw: Path, tmp_path: Path) -> None:
    path = picture_checkpoint(tmp_path / "pictures.safetensors", S3DIS)
    shutil.rmtree(raw / ROOM / "color")
    failed(lift(building, raw, tmp_path / "a.npz", f"checkpoint={path}", "device=cpu"), "no color picture in it")


def test_frames_that_cannot_be_used(building: Path, raw: Path, tmp_path: Path) -> None:
    output, room = tmp_path / "a.npz", raw / ROOM
    failed(lift(building, raw, output, "labels=other"), "no frames with labels=other of Area_1/office_1")
    failed(lift(building, raw, output, "ids=index"), "0.png: number 13 at row", "means no class; add it to ids")
    Image.fromarray(np.zeros((100, 100), np.uint8)).save(room / "label" / "3.png")
    failed(lift(building, raw, output), "label/3.png: 100 x 100 pixels, but its camera takes 320 x 240", "whole view")
    shutil.copy(building / "raw" / ROOM / "label" / "3.png", room / "label" / "99.png")
    failed(lift(building, raw, output), "label/99.png: no frame 99 in")
    shutil.rmtree(room / "label")
    shutil.copytree(building / "raw" / ROOM / "label", room / "label")
    for number in range(FRAMES):
        away = np.loadtxt(room / "pose" / f"{number}.txt")
        away[:3, 3] += 500
        np.savetxt(room / "pose" / f"{number}.txt", away)
    failed(lift(building, raw, output), f"{FRAMES} frames see no point", "must be in the frame of the scans")
    for path in (room / "label").glob("*.png"):
        path.unlink()
    failed(lift(building, raw, output), "label: no label picture in it")
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["every=0"], ["every=0: give a number above 0"]),
        (["tolerance=0"], ["tolerance=0"]),
        (["keep=2"], ["keep=2: give 0 to 1"]),
        (["frames=nowhere"], ["frames=nowhere: no such folder"]),
        (["root=nowhere"], ["nowhere: no such folder"]),
        (["ids=nowhere.json"], ["nowhere.json: no such file"]),
        (["budget=nowhere.npz"], ["nowhere.npz: no such label file"]),
        (["classes=ground,tree"], ["ground, tree"]),
        (["output={raw}"], ["is a folder"]),
        (["output={raw}/{room}/pose/0.txt"], ["is there already", "overwrite=true"]),
    ],
)
def test_options_that_cannot_be(building: Path, tmp_path: Path, options: list[str], words: list[str]) -> None:
    options = [option.format(raw=building / "raw", room=ROOM) for option in options]
    failed(lift(building, building / "raw", tmp_path / "a.npz", *options), *words)
    assert not (tmp_path / "a.npz").exists()
