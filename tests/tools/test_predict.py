"""tools/predict.py from the command line: every format, many files, kill -9, and bad input."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace

import laspy
import numpy as np
import pytest
from laspy.vlrs.known import WktCoordinateSystemVlr
from plyfile import PlyData, PlyElement

import pcseg
import pcseg.formats
from pcseg.classes import Classes
from pcseg.formats import Defect, read_cloud, write_cloud
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.scenes.scene import write_scene
from tests.tools._runs import CLASSES, ROOT, checkpoint, environment, failed, room, tool, tool_here


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("net") / "last.safetensors")


def scan(path, color=True, **change):
    """A room far from the origin of its frame, written to ``path``."""
    scene = room("a/b", 3)
    coord = scene.coord.astype(np.float64) + np.array([4.5e5, 5.4e6, 120.0])
    for index, value in change.items():
        coord[int(index[1:])] = value
    write_cloud(path, coord, color=scene.color if color else None)
    return path


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


@pytest.mark.parametrize("ending", ["las", "laz", "pcd", "npy", "xyz"])
def test_formats_in_and_out(net, tmp_path, ending):
    source, target = scan(tmp_path / f"scan.{ending}"), tmp_path / f"out.{ending}"
    done = tool_here("predict", f"checkpoint={net}", f"input={source}", f"output={target}", "device=cpu")
    assert done.returncode == 0, done.stderr
    found = read_cloud(target)
    given = read_cloud(source)
    np.testing.assert_allclose(found.coord, given.coord, atol=1e-4)
    np.testing.assert_array_equal(found.fields["label"], pcseg.load(net, "cpu").predict(given.coord, given.color)[0])


@pytest.mark.parametrize("paint", ["false", "true"])
def test_a_las_scan_keeps_what_it_holds(net, tmp_path, paint):
    scene = room("a/b", 3)
    header = laspy.LasHeader(point_format=7, version="1.4")
    header.offsets, header.scales = np.array([4.5e5, 5.4e6, 120.0]), np.full(3, 1e-3)
    header.add_extra_dims([laspy.ExtraBytesParams("range", "f4")])
    header.vlrs.append(WktCoordinateSystemVlr('PROJCS["somewhere"]'))
    given = laspy.LasData(header)
    given.x, given.y, given.z = (scene.coord + header.offsets).T
    given.red, given.green, given.blue = scene.color.T.astype(np.uint16) * 257
    given.classification, given.intensity = scene.segment + 2, np.arange(600)
    given.return_number, given.gps_time, given["range"] = 1 + np.arange(600) % 3, np.arange(600.0), np.arange(600.0)
    given.write(tmp_path / "scan.las")
    done = tool_here(
        "predict", f"checkpoint={net}", f"input={tmp_path}/scan.las", f"output={tmp_path}/o.laz", f"paint={paint}"
    )
    assert done.returncode == 0, done.stderr
    found = laspy.read(tmp_path / "o.laz")
    changed = {"red", "green", "blue"} if paint == "true" else set()
    for name in {*given.point_format.dimension_names} - changed:
        np.testing.assert_array_equal(found[name], given[name], err_msg=name)
    assert found.header.vlrs.get("WktCoordinateSystemVlr")[0].string == 'PROJCS["somewhere"]'
    cloud = read_cloud(tmp_path / "scan.las")
    np.testing.assert_array_equal(found["label"], pcseg.load(net, "cpu").predict(cloud.coord, cloud.color)[0])
    if changed:
        assert (found.red == CLASSES.palette()[found["label"]][:, 0].astype(np.uint16) * 257).all()


def test_a_ply_scan_keeps_what_it_holds(net, tmp_path):
    scene = room("a/b", 3)
    vertex = np.zeros(600, [(n, "f8") for n in "xyz"] + [(n, "f4") for n in ("nx", "ny", "nz", "scalar_Intensity")])
    vertex["x"], vertex["y"], vertex["z"] = scene.coord.T
    vertex["nz"], vertex["scalar_Intensity"] = 1, np.arange(600)
    PlyData([PlyElement.describe(vertex, "vertex")]).write(str(tmp_path / "scan.ply"))
    done = tool_here("predict", f"checkpoint={net}", f"input={tmp_path}/scan.ply", f"output={tmp_path}/o.ply")
    assert done.returncode == 0, done.stderr
    found = PlyData.read(str(tmp_path / "o.ply"))["vertex"]
    assert [p.name for p in found.properties] == [*vertex.dtype.names, "label", "confidence"]
    for name in vertex.dtype.names:
        np.testing.assert_array_equal(found[name], vertex[name])


def test_a_scan_that_lacks_what_the_network_needs_is_named(net, tmp_path):
    save_model(tmp_path / "net.safetensors", replace(load_model(net), inputs=VoxelInputs(0.1, ("color", "height"))))
    plain = scan(tmp_path / "plain.las", color=False)
    done = tool_here("predict", f"checkpoint={tmp_path}/net.safetensors", f"input={plain}", f"output={tmp_path}/o.las")
    failed(done, f"error: {plain}: has no color", "optional_color")


def test_a_folder_and_a_pattern_of_scans(net, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("one.ply", "two.las", "notes.md"):
        if name.endswith("md"):
            (tmp_path / "in" / name).write_text("nothing to label")
        else:
            scan(tmp_path / "in" / name)
    out = tmp_path / "out"
    done = tool_here("predict", f"checkpoint={net}", f"input={tmp_path / 'in'}", f"output={out}", "paint=true")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in out.iterdir()) == ["one.ply", "two.las"]
    cloud = read_cloud(out / "one.ply")
    np.testing.assert_array_equal(cloud.color, CLASSES.palette()[cloud.fields["label"].astype(int)])
    pattern = tmp_path / "in" / "*.las"
    done = tool_here("predict", f"checkpoint={net}", f"input={pattern}", f"output={tmp_path / 'las'}", "format=.ply")
    assert done.returncode == 0, done.stderr
    assert [p.name for p in (tmp_path / "las").iterdir()] == ["two.ply"]


def test_a_scan_without_color_and_one_with_a_hole(net, tmp_path):
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
def test_coordinates_that_are_no_place_are_counted_and_harm_no_other(net, tmp_path, ending):
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


def test_strays_and_points_far_apart_take_no_longer(net, tmp_path):
    place = np.random.default_rng(0).uniform(0, 1e6, (3000, 3))
    write_cloud(tmp_path / "far.npy", place)
    begun = time.monotonic()
    done = tool_here(
        "predict", f"checkpoint={net}", f"input={tmp_path}/far.npy", f"output={tmp_path}/o.npy", "device=cpu"
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 10
    assert (read_cloud(tmp_path / "o.npy").fields["label"] >= 0).all()


def test_what_was_not_read_to_the_letter_is_told_shortly(net, tmp_path):
    rows = [f"{i % 7} {i % 5} {i % 3} 10 20 {300 if i == 5 else 30}" for i in range(40)]
    (tmp_path / "one.xyz").write_text("//x y z red green blue\n" + "\n".join(rows))
    done = tool_here("predict", f"checkpoint={net}", f"input={tmp_path}/one.xyz", f"output={tmp_path}/o.ply")
    assert done.returncode == 0, done.stderr
    assert f"  note: {tmp_path}/one.xyz: 1 points have a color outside 0 to 255" in done.stdout


def test_many_defects_are_counted(net, tmp_path, monkeypatch):
    many = tuple(Defect("scan.ply", line, "a bad line\x1b", "dropped") for line in range(9))
    read = pcseg.formats.read_cloud
    monkeypatch.setattr("pcseg.formats.read_cloud", lambda *given: replace(read(*given), defects=many))
    source = scan(tmp_path / "scan.ply")
    done = tool_here("predict", f"checkpoint={net}", f"input={source}", f"output={tmp_path}/o.ply")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  note: scan.ply:") == 3
    assert "  note: and 6 more like these" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("colored", "has_color", "said"),
    [
        (0.75, False, "has no color, but 75 % of the scans trained on had"),
        (None, False, "where the network was trained on scans with color"),
        ("many", False, "where the network was trained on scans with color"),
        (0.0, True, "has colors, but no scan trained on had"),
        (0.0, False, ""),
        (1.0, True, ""),
    ],
)
def test_colors_other_than_in_training_are_told(net, tmp_path, colored, has_color, said):
    model = load_model(net)
    record = {**model.record} if colored is None else {**model.record, "colored": colored}
    save_model(tmp_path / "net.safetensors", replace(model, record=record))
    source = scan(tmp_path / "scan.las", color=has_color)
    done = tool_here("predict", f"checkpoint={tmp_path}/net.safetensors", f"input={source}", f"output={tmp_path}/o.las")
    assert done.returncode == 0, done.stderr
    assert ("note:" in done.stdout) == bool(said)
    assert said in done.stdout


@pytest.fixture(scope="module")
def coded(tmp_path_factory):
    """A checkpoint whose classes have the numbers 2, 6 and 1000 (or 64) in files."""
    folder = tmp_path_factory.mktemp("coded")
    for name, last in (("las", 64), ("large", 1000)):
        classes = Classes(CLASSES.names, CLASSES.colors, ((2,), (6, 7), (last,)))
        checkpoint(folder / f"{name}.safetensors", classes=classes)
    return folder


@pytest.mark.parametrize("ending", ["ply", "las", "csv", "npy"])
def test_labels_come_back_as_the_numbers_of_the_files(coded, tmp_path, ending):
    source, target = scan(tmp_path / f"scan.{ending}", p4=0.0), tmp_path / f"out.{ending}"
    done = tool_here("predict", f"checkpoint={coded}/large.safetensors", f"input={source}", f"output={target}")
    assert done.returncode == 0, done.stderr
    assert "labels: 2 floor, 6 wall, 1000 chair; -1 unknown" in done.stdout
    given = read_cloud(source)
    labels, _ = pcseg.load(coded / "large.safetensors", "cpu").predict(given.coord, given.color)
    np.testing.assert_array_equal(read_cloud(target).fields["label"], np.array([2, 6, 1000])[labels])
    if ending == "ply":
        assert {"class 2 floor", "class 6 wall", "class 1000 chair"} <= set(PlyData.read(target).comments)


def test_labels_are_written_as_las_classification_when_asked_for(coded, tmp_path):
    source = scan(tmp_path / "scan.las")
    for asked in ("false", "true"):
        done = tool_here(
            "predict", f"checkpoint={coded}/las.safetensors", f"input={source}", f"output={tmp_path}/{asked}.las",
            f"classification={asked}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (laspy.read(tmp_path / "false.las").classification == 0).all()
    found = laspy.read(tmp_path / "true.las")
    np.testing.assert_array_equal(found.classification, found["label"])
    assert set(np.unique(found.classification)) <= {2, 6, 64}
    done = tool_here(
        "predict", f"checkpoint={coded}/large.safetensors", f"input={source}", f"output={tmp_path}/l.las",
        "classification=true",
    )  # fmt: skip
    failed(done, "chair", "1000")
    assert not (tmp_path / "l.las").exists()


def test_one_bad_scan_of_many_costs_the_others_nothing(net, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.ply", "c.las"):
        scan(tmp_path / "in" / name)
    (tmp_path / "in" / "b.ply").write_text("this is no scan")
    (tmp_path / "in" / "folder.ply").mkdir()
    done = tool_here("predict", f"checkpoint={net}", f"input={tmp_path}/in", f"output={tmp_path}/out")
    failed(done, "b.ply")
    assert "labeled 2 of 3 scans" in done.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.ply", "c.las"]


def test_links_are_followed_and_endings_need_no_dot(net, tmp_path):
    (tmp_path / "there").mkdir()
    scan(tmp_path / "there" / "one.las")
    (tmp_path / "in").symlink_to(tmp_path / "there", target_is_directory=True)
    (tmp_path / "there" / "two.las").symlink_to(tmp_path / "there" / "one.las")
    done = tool_here("predict", f"checkpoint={net}", f"input={tmp_path}/in", f"output={tmp_path}/out", "format=ply")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["one.ply", "two.ply"]


def test_one_point_is_enough(net, tmp_path):
    (tmp_path / "one.xyz").write_text("1 2 3\n")
    done = tool_here("predict", f"checkpoint={net}", f"input={tmp_path / 'one.xyz'}", f"output={tmp_path / 'o.ply'}")
    assert done.returncode == 0, done.stderr
    assert len(read_cloud(tmp_path / "o.ply")) == 1


def test_kill_9_leaves_no_half_file(net, tmp_path):
    # Much to write: the process dies while the file is being made, under another name.
    target = tmp_path / "out" / "out.xyz"
    coord = np.random.default_rng(0).uniform(0, 4, (300_000, 3))
    write_cloud(tmp_path / "big.npy", coord)
    process = subprocess.Popen(
        [sys.executable, "tools/predict.py", f"checkpoint={net}", f"input={tmp_path / 'big.npy'}", f"output={target}"],
        cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None:
        if target.parent.exists() and any(p.stat().st_size > 0 for p in target.parent.iterdir()):
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not target.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["input={tmp}/nowhere.ply", "output={tmp}/o.ply"], ["nowhere.ply"]),
        (["input={tmp}/cut.ply", "output={tmp}/o.ply"], ["cut.ply"]),
        (["input={tmp}/empty.xyz", "output={tmp}/o.ply"], ["empty.xyz"]),
        (["input={tmp}/words.xyz", "output={tmp}/o.ply"], ["words.xyz"]),
        (["input={tmp}/scan.ply", "output={tmp}/o.docx"], ["o.docx", ".ply"]),
        (["input={tmp}/scan.ply", "output={tmp}/../{tmp.name}/scan.ply"], ["scan.ply", "is the scan itself"]),
        (["input={tmp}/scan*.ply", "output={tmp}"], ["scan.ply", "is the scan itself"]),
        (["input={tmp}/scan.ply", "output=/dev/null/o.ply"], ["/dev/null/o.ply", "cannot write"]),
        (["input={tmp}/scan.ply", "output={tmp}/o.ply", "checkpoint={tmp}/scan.ply"], ["scan.ply", "safetensors"]),
        (["input={tmp}/scan.ply", "output=/proc/o.ply", "checkpoint=nowhere"], ["output=/proc/o.ply: cannot write"]),
        (["input={tmp}/scan.ply", "output={tmp}/scan.ply/o.ply"], ["o.ply: cannot write", "scan.ply is a file"]),
        (["input={tmp}/scan*", "output={tmp}/scan.ply/out"], ["out/scan.ply: cannot write", "scan.ply is a file"]),
        (
            ["input={tmp}/scan.ply", "output={tmp}/o.ply", "checkpoint={tmp}/net.pth"],
            ["net.pth", "tools/convert_checkpoint.py"],
        ),
        (["input={tmp}/scan.ply", "output={tmp}/o.ply", "votes=0"], ["votes=0"]),
        (["input={tmp}/scan.ply", "output={tmp}/o.ply", "vote=2"], ["vote=2"]),
        (["output={tmp}/o.ply"], ["input"]),
        (["input={tmp}/nan.npy", "output={tmp}/o.ply"], ["nan.npy", "finite"]),
        (["input={tmp}/hole.npy", "output={tmp}/o.las"], ["o.las: LAS cannot hold NaN"]),
        (["input={tmp}/rooms/Area_1/a", "output={tmp}/o.ply"], ["Area_1/a: is a prepared scene", "tools/evaluate.py"]),
    ],
)
def test_bad_input_is_refused_in_one_line(net, tmp_path, arguments, words):
    scan(tmp_path / "scan.ply")
    (tmp_path / "cut.ply").write_bytes((tmp_path / "scan.ply").read_bytes()[:1000])
    write_scene(tmp_path / "rooms", room("Area_1/a", 0))
    (tmp_path / "empty.xyz").write_text("")
    (tmp_path / "words.xyz").write_text("once upon a time\nthere was a scan\n")
    np.save(tmp_path / "nan.npy", np.full((5, 3), np.nan))
    np.save(tmp_path / "hole.npy", np.append(np.eye(3), np.full((1, 3), np.nan), axis=0))
    (tmp_path / "net.pth").write_bytes(b"a pickle")
    filled = [a.format(tmp=tmp_path) for a in arguments]
    if not any(a.startswith("checkpoint") for a in filled):
        filled.append(f"checkpoint={net}")
    failed(tool_here("predict", *filled), *words)
    assert not (tmp_path / "o.ply").exists()
