"""tools/predict.py on one scan: its labels, and the notes about unusable points, colors and defects."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

import pcseg
import pcseg.formats
from pcseg.formats import Defect, read_cloud, write_cloud
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.simulation import Difficulty, draw_room
from pcseg.simulation.light import Lit
from pcseg.simulation.scanner import scan as scan_room
from tests.tools._runs import CLASSES, ROOT, checkpoint, failed, tool, tool_here
from tests.tools.scans import scan


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("net") / "last.safetensors")


def test_a_scan_comes_back_labeled_in_its_order(net, tmp_path):
    source = scan(tmp_path / "scan.ply")
    done = tool("predict", f"checkpoint={net}", f"input={source}", f"output={tmp_path / 'out.ply'}", "device=cpu")
    assert done.returncode == 0, done.stderr
    given, found = read_cloud(source), read_cloud(tmp_path / "out.ply")
    np.testing.assert_array_equal(found.coord, given.coord)
    np.testing.assert_array_equal(found.color, given.color)
    labels, confidence = pcseg.load(net, "cpu").predict(given.coord, given.color)
    np.testing.assert_array_equal(found.fields["label"], labels)
    np.testing.assert_allclose(found.fields["confidence"], confidence, atol=1e-6)
    assert "600 points" in done.stdout
    assert any(name in done.stdout for name in CLASSES.names)


def test_the_same_scan_makes_the_same_file(net, tmp_path):
    source = scan(tmp_path / "scan.ply")
    for name in ("one.ply", "two.ply"):
        done = tool_here("predict", f"checkpoint={net}", f"input={source}", f"output={tmp_path / name}")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "one.ply").read_bytes() == (tmp_path / "two.ply").read_bytes()


def test_a_scan_without_the_color_that_the_network_needs_is_refused(net, tmp_path):
    save_model(tmp_path / "net.safetensors", replace(load_model(net), inputs=VoxelInputs(0.1, ("color", "height"))))
    plain = scan(tmp_path / "plain.las", color=False)
    done = tool_here("predict", f"checkpoint={tmp_path}/net.safetensors", f"input={plain}", f"output={tmp_path}/o.las")
    failed(done, f"error: {plain}: has no color", "optional_color")


def test_a_scan_without_color_and_a_scan_with_a_nan_point(net, tmp_path):
    plain, target = scan(tmp_path / "plain.ply", color=False), tmp_path / "out.ply"
    assert tool_here("predict", f"checkpoint={net}", f"input={plain}", f"output={target}").returncode == 0
    assert len(read_cloud(target)) == 600
    holed = scan(tmp_path / "holed.ply", p4=np.nan)
    done = tool_here("predict", f"checkpoint={net}", f"input={holed}", f"output={target}")
    assert "1 points without finite coordinates got label -1" in done.stdout
    labels = read_cloud(target).fields["label"]
    assert labels[4] == -1
    assert (np.delete(labels, 4) >= 0).all()


@pytest.mark.parametrize("ending", ["npy", "ply", "xyz", "pcd"])
def test_unusable_coordinates_are_counted_and_change_no_other_label(net, tmp_path, ending):
    labels = {}
    for name, change in (("whole", {}), ("broken", {"p3": 1e19, "p9": 3.4028235e38, "p77": -1e300, "p99": np.nan})):
        source, target = scan(tmp_path / f"{name}.{ending}", **change), tmp_path / f"{name}_labeled.{ending}"
        done = tool_here("predict", f"checkpoint={net}", f"input={source}", f"output={target}")
        assert done.returncode == 0, done.stderr
        labels[name] = read_cloud(target).fields["label"].astype(int)
    assert "1 points without finite coordinates got label -1; 3 points with coordinates beyond 1e+12 got" in done.stdout
    lost = np.isin(np.arange(600), [3, 9, 77, 99])
    assert (labels["broken"][lost] == -1).all()
    assert np.mean(labels["broken"][~lost] == labels["whole"][~lost]) > 0.98  # a voxel may have lost its first point


def test_points_scattered_over_1000_km_take_seconds(net, tmp_path):
    place = np.random.default_rng(0).uniform(0, 1e6, (3000, 3))
    write_cloud(tmp_path / "far.npy", place)
    begun = time.monotonic()
    done = tool_here(
        "predict", f"checkpoint={net}", f"input={tmp_path}/far.npy", f"output={tmp_path}/o.npy", "device=cpu"
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 10
    assert (read_cloud(tmp_path / "o.npy").fields["label"] >= 0).all()


def test_a_defect_of_a_scan_is_reported_in_a_note(net, tmp_path):
    rows = [f"{i % 7} {i % 5} {i % 3} 10 20 {300 if i == 5 else 30}" for i in range(40)]
    (tmp_path / "one.xyz").write_text("//x y z red green blue\n" + "\n".join(rows))
    done = tool_here("predict", f"checkpoint={net}", f"input={tmp_path}/one.xyz", f"output={tmp_path}/o.ply")
    assert done.returncode == 0, done.stderr
    assert f"  note: {tmp_path}/one.xyz: 1 points have a color outside 0 to 255" in done.stdout


def test_three_notes_are_printed_and_further_ones_counted(net, tmp_path, monkeypatch):
    many = tuple(Defect("scan.ply", line, "a bad line\x1b", "dropped") for line in range(9))
    read = pcseg.formats.read_cloud
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    monkeypatch.setattr("_predicting.read_cloud", lambda *given: replace(read(*given), defects=many))
    source = scan(tmp_path / "scan.ply")
    done = tool_here("predict", f"checkpoint={net}", f"input={source}", f"output={tmp_path}/o.ply")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  note: scan.ply:") == 3
    assert "  note: and 6 more like these" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("colored", "has_color", "note"),
    [
        (0.75, False, "has no color, but 75 % of the scans trained on had"),
        (None, False, "where the network was trained on scans with color"),
        ("many", False, "where the network was trained on scans with color"),
        (0.0, True, "has colors, but no scan trained on had"),
        (0.0, False, ""),
        (1.0, True, ""),
    ],
)
def test_colors_unlike_those_of_training_are_reported(net, tmp_path, colored, has_color, note):
    model = load_model(net)
    record = {**model.record} if colored is None else {**model.record, "colored": colored}
    save_model(tmp_path / "net.safetensors", replace(model, record=record))
    source = scan(tmp_path / "scan.las", color=has_color)
    done = tool_here("predict", f"checkpoint={tmp_path}/net.safetensors", f"input={source}", f"output={tmp_path}/o.las")
    assert done.returncode == 0, done.stderr
    assert ("note:" in done.stdout) == bool(note)
    assert note in done.stdout


def test_one_point_is_enough(net, tmp_path):
    (tmp_path / "one.xyz").write_text("1 2 3\n")
    done = tool_here("predict", f"checkpoint={net}", f"input={tmp_path / 'one.xyz'}", f"output={tmp_path / 'o.ply'}")
    assert done.returncode == 0, done.stderr
    assert len(read_cloud(tmp_path / "o.ply")) == 1


def test_without_a_checkpoint_rooms_get_first_labels(tmp_path):
    """Seen: 90 % of the points of this room, of another building than that of training, are right."""
    room = draw_room(5, 2, 1, Difficulty())
    cloud = scan_room(Lit(room), 20_000, np.random.default_rng(0), Difficulty())
    write_cloud(tmp_path / "room.ply", cloud.coord, color=cloud.color)
    done = tool_here("predict", f"input={tmp_path / 'room.ply'}", f"output={tmp_path / 'out.ply'}", "device=cpu")
    assert done.returncode == 0, done.stderr
    assert "0 ceiling, 1 floor" in done.stdout
    assert (read_cloud(tmp_path / "out.ply").fields["label"] == room.label[cloud.solid]).mean() > 0.7
