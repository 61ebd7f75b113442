"""tools/prepare.py as typed: every good scene once and whole, and one line about every bad one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import S3DIS, SCANNET20
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_classes, read_scene
from tests.datasets.raw import scannet_scene
from tests.forked import run_script
from tests.tools.prepared import ROOT, building, failed, leftovers, own_scans, prepare

REAL = ROOT.parent / "shared" / "data" / "s3dis_raw"


@pytest.mark.parametrize("workers", [1, 2])
def test_s3dis(tmp_path: Path, workers: int) -> None:
    building(tmp_path / "raw")
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", f"workers={workers}")
    assert done.returncode == 0, done.stderr
    assert "4 scenes prepared, 0 were there already, 0 failed" in done.stdout
    folders = list_scenes(tmp_path / "out", ["Area_1", "Area_2"])
    assert [f.name for f in folders] == ["office_0", "office_2", "office_1", "office_3"]
    for folder in folders:
        scene = read_scene(folder, S3DIS, with_labels=True)
        assert scene.segment is not None
        assert np.bincount(scene.segment, minlength=13)[[1, 8]].tolist() == [200, 200]
    assert read_classes(tmp_path / "out") == S3DIS
    assert leftovers(tmp_path / "out") == []
    assert not (tmp_path / "raw/dataset.json").exists()


def test_bad_rooms_do_not_stop_the_others(tmp_path: Path) -> None:
    building(tmp_path / "raw", 4)
    (tmp_path / "raw/Area_1/office_0/Annotations/chair_1.txt").write_text("no numbers\n")
    (tmp_path / "raw/Area_2/empty_1").mkdir()
    with open(tmp_path / "raw/Area_1/office_2/Annotations/chair_1.txt", "a") as stream:
        stream.write("1 2 3 4 5 6\x101\n7 8 9\n")
    arguments = (f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", "workers=2")
    done = prepare(*arguments)
    assert "2 of 5 scenes failed, the others are done; Area_1/office_0: " in failed(done)
    for part in ("Area_1/office_0/Annotations/chair_1.txt:1:", "Area_2/empty_1: no Annotations"):
        assert (done.stdout + done.stderr).count(part) == 1  # each failure is reported once
    assert "chair_1.txt:201:" in done.stdout
    assert "chair_1.txt:202:" in done.stdout
    report = json.loads((tmp_path / "out/prepare_report.json").read_text())
    assert report["prepared"] == ["Area_1/office_2", "Area_2/office_1", "Area_2/office_3"]
    assert [name for name, _ in report["failed"]] == ["Area_1/office_0", "Area_2/empty_1"]
    assert len(report["remarks"]) == 2
    assert len(read_scene(tmp_path / "out/Area_1/office_2", S3DIS, with_labels=False)) == 401
    # fixed and run again: only missing scenes are prepared, and earlier defects are still reported
    (tmp_path / "raw/Area_2/empty_1").rmdir()
    (tmp_path / "raw/Area_1/office_0/Annotations/chair_1.txt").unlink()
    done = prepare(*arguments)
    assert done.returncode == 0
    assert "1 scenes prepared, 3 were there already, 0 failed" in done.stdout
    assert "chair_1.txt:201:" in done.stdout


def test_an_unwritable_output(tmp_path: Path) -> None:
    building(tmp_path / "raw", 1)
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "out"):
        error = failed(prepare(f"input={tmp_path / 'raw'}", f"output={output}"))
        assert f"output={output}: cannot write there, {tmp_path / 'file'} is a file and no folder; choose" in error


def test_the_output_may_not_overlap_the_input(tmp_path: Path) -> None:
    building(tmp_path / "raw", 1)
    for output in (tmp_path / "raw", tmp_path / "raw/out", tmp_path):
        assert "overlaps the input" in failed(prepare(f"input={tmp_path / 'raw'}", f"output={output}"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("input=/nowhere", "output=/tmp/never"), "/nowhere: no such folder"),
        (("output=/tmp/never",), "'input=' is missing"),
        (("input=.", "output=/tmp/never", "splits=3"), "'splits=3' is not understood"),
        (("input=tests", "output=/tmp/never", "workers=-1"), "workers=-1"),
        (("input=tests", "output=/tmp/never", "workers=many"), "many"),
        (("input=tests", "output=/tmp/never", "dataset=kitti"), "dataset=kitti: no such kind"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], message: str) -> None:
    assert message in failed(prepare(*arguments))
    assert not Path("/tmp/never").exists()


def test_own_scans(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "train").mkdir(parents=True)
    (raw / "classes.yaml").write_text("names: [ground, tree]\nids: {2: ground, 5: tree}\n")
    (raw / "train/a.csv").write_text("x,y,z,label\n500000.001,1,1,2\n500001,2,2,5\n")
    (raw / "train/b.csv").write_text("x,y,z,label\n0,1,1,2\n1,2,2,7\n")
    arguments = (f"input={raw}", f"output={tmp_path / 'out'}", "workers=1")
    assert "label 7 (1 points, first is 1) means no class" in failed(prepare(*arguments))
    scene = read_scene(tmp_path / "out/train/a", read_classes(tmp_path / "out"), with_labels=True)
    assert scene.segment is not None
    assert scene.segment.tolist() == [0, 1]
    np.testing.assert_allclose(scene.coord[:, 0] + scene.origin[0], [500000.001, 500001], rtol=0, atol=1e-6)
    (raw / "classes.yaml").write_text("names: [ground, tree]\nids: {2: ground, 5: tree}\nignore: [7]\n")
    assert "begun with other settings (ignore was [], now [7]);" in failed(prepare(*arguments))
    assert prepare(*arguments, "overwrite=true").returncode == 0
    (raw / "train/c.ply").write_bytes(b"ply\nformat binary_little_endian 1.0\nelement vertex 9\n")
    assert "c.ply: not a readable PLY file" in failed(prepare(*arguments))


def test_values_too_large_for_the_disk_format_fail_their_scene_only(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/classes.yaml").write_text("names: [ground]\ninstance: tree\n")
    (tmp_path / "raw/a.csv").write_text("x,y,z,tree\n0,1,1,5e9\n1,2,2,1\n")
    (tmp_path / "raw/b.csv").write_text("x,y,z,tree\n0,1,1,5\n1,2,2,1\n")
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", "workers=1")
    assert "1 of 2 scenes failed" in failed(done)
    assert "instance runs from 1 to 5000000000" in done.stderr
    assert (tmp_path / "out/train/b/instance.npy").is_file()
    assert leftovers(tmp_path / "out") == []


@pytest.mark.parametrize("workers", [1, 2])
def test_linked_splits_and_files_that_are_not_used(tmp_path: Path, workers: int) -> None:
    own_scans(tmp_path / "raw", "train/a.csv")
    own_scans(tmp_path / "disk", "test/b.csv")
    (tmp_path / "raw/test").symlink_to(tmp_path / "disk/test")
    (tmp_path / "raw/val").mkdir()
    (tmp_path / "raw/train/photo.jpg").write_text("")
    (tmp_path / "raw/train/empty.csv").write_text("")
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", f"workers={workers}")
    assert "1 of 3 scenes failed, the others are done; train/empty: " in failed(done)
    for text in (
        "2 scenes prepared",
        "labels from: label (2)",
        "raw: 1 file of other kinds: .jpg (1); not used",
        "raw/val: no point file in it; no scene of this split",
    ):
        assert text in done.stdout
    assert (tmp_path / "out/test/b/coord.npy").is_file()


def test_no_good_scene(tmp_path: Path) -> None:
    own_scans(tmp_path / "raw", "a.csv")
    (tmp_path / "raw/a.csv").write_text("")
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}")
    assert "1 of 1 scenes failed, none was prepared; train/a: " in failed(done)


def test_scannet_and_pointcept(tmp_path: Path) -> None:
    scannet_scene(tmp_path / "raw/scans/scene0000_00")
    scannet_scene(tmp_path / "raw/scans_test/scene0707_00", labeled=False)
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", "workers=1")
    assert done.returncode == 0, done.stderr
    assert "label 50 is not a NYU40 id" in done.stdout
    scene = read_scene(tmp_path / "out/train/scene0000_00", SCANNET20, with_labels=True)
    assert scene.superpoint is not None
    done = prepare(f"input={tmp_path / 'out'}", f"output={tmp_path / 'again'}", "workers=1")
    assert done.returncode == 0, done.stderr
    again = read_scene(tmp_path / "again/train/scene0000_00", SCANNET20, with_labels=True)
    assert again.segment is not None
    np.testing.assert_array_equal(again.segment, scene.segment)


def test_a_source_that_is_changed_and_one_that_is_gone(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    own_scans(raw, *(f"train/{name}.csv" for name in ("a", "b", "c")))
    arguments = (f"input={raw}", f"output={out}", "workers=1")
    assert "again" not in prepare(*arguments).stdout
    (raw / "train/a.csv").write_text("x,y,z,label\n0,1,1,1\n1,2,2,1\n")
    (raw / "train/b.csv").unlink()
    done = prepare(*arguments)
    assert done.returncode == 0, done.stderr
    assert "1 scenes prepared, 1 were there already, 0 failed" in done.stdout
    assert "  prepared again, since the source changed: train/a\n" in done.stdout
    told = "in the output, but not in the input of the last run: train/b; remove what is not wanted\n"
    assert f"  {told}" in done.stdout
    assert np.load(out / "train/a/segment.npy").tolist() == [1, 1]
    assert f"note: prepare_report.json: {told}" in run_script("tools/check_data.py", f"root={out}").stdout
    (raw / "train/a.csv").write_text("x,y,z,label\n")  # cut off: the old scene stays, and is told of
    failed(prepare(*arguments))
    assert "note: train/a: failed in tools/prepare.py" in run_script("tools/check_data.py", f"root={out}").stdout
    shutil.rmtree(out / "train/b")
    assert told not in run_script("tools/check_data.py", f"root={out}").stdout


@pytest.mark.skipif(not REAL.is_dir(), reason="the real rooms are not here")
def test_real_rooms(tmp_path: Path) -> None:
    done = prepare(f"input={REAL}", f"output={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert "2 scenes prepared" in done.stdout
    folders = list_scenes(tmp_path / "out", ["Area_3", "Area_5"])
    assert [len(read_scene(f, S3DIS, with_labels=True)) for f in folders] == [175075, 175538]
