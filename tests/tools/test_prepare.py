"""tools/prepare.py as typed: every scene once and whole, whatever is wrong with some, and whenever it is killed."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import S3DIS, SCANNET20
from pcseg.scenes.scene import list_scenes, read_classes, read_scene
from tests.datasets.raw import s3dis_room, scannet_scene

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "s3dis_raw"


def prepare(
    *arguments: object, limit: int | None = None, handles: int | None = None
) -> subprocess.CompletedProcess[str]:
    def limited() -> None:
        if handles is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles))
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "tools/prepare.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, preexec_fn=limited)


def failed(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def leftovers(root: Path) -> list[Path]:
    return list(root.rglob(".*"))


def building(root: Path, rooms: int = 4, points: int = 200) -> None:
    for i in range(rooms):
        s3dis_room(root / f"Area_{1 + i % 2}/office_{i}", {"floor_1": points, "chair_1": points})


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


def test_run_again_keeps_what_is_there_unless_told(tmp_path: Path) -> None:
    building(tmp_path / "raw", 2)
    arguments = (f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", "workers=1")
    prepare(*arguments)
    stamp = (tmp_path / "out/Area_1/office_0/coord.npy").stat().st_mtime_ns
    done = prepare(*arguments)
    assert "0 scenes prepared, 2 were there already, 0 failed" in done.stdout
    assert (tmp_path / "out/Area_1/office_0/coord.npy").stat().st_mtime_ns == stamp
    error = failed(prepare(*arguments, "stairs=ignore"))
    assert "begun with other settings (stairs was 'clutter', now 'ignore'); choose another output, or over" in error
    done = prepare(*arguments, "stairs=ignore", "overwrite=true")
    assert "2 scenes prepared" in done.stdout
    assert (tmp_path / "out/Area_1/office_0/coord.npy").stat().st_mtime_ns != stamp
    assert leftovers(tmp_path / "out") == []


def test_bad_rooms_do_not_cost_the_good_ones(tmp_path: Path) -> None:
    building(tmp_path / "raw", 4)
    (tmp_path / "raw/Area_1/office_0/Annotations/chair_1.txt").write_text("no numbers\n")
    (tmp_path / "raw/Area_2/empty_1").mkdir()
    with open(tmp_path / "raw/Area_1/office_2/Annotations/chair_1.txt", "a") as stream:
        stream.write("1 2 3 4 5 6\x101\n7 8 9\n")
    arguments = (f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", "workers=2")
    done = prepare(*arguments)
    assert "2 of 5 scenes failed, the others are done; Area_1/office_0: " in failed(done)
    for part in ("Area_1/office_0/Annotations/chair_1.txt:1:", "Area_2/empty_1: no Annotations"):
        assert (done.stdout + done.stderr).count(part) == 1  # each failure is told once
    assert "chair_1.txt:201:" in done.stdout
    assert "chair_1.txt:202:" in done.stdout
    report = json.loads((tmp_path / "out/prepare_report.json").read_text())
    assert report["prepared"] == ["Area_1/office_2", "Area_2/office_1", "Area_2/office_3"]
    assert [name for name, _ in report["failed"]] == ["Area_1/office_0", "Area_2/empty_1"]
    assert len(report["remarks"]) == 2
    assert len(read_scene(tmp_path / "out/Area_1/office_2", S3DIS, with_labels=False)) == 401
    # mended and run again: only what is missing is done, and the defects of before are still told
    (tmp_path / "raw/Area_2/empty_1").rmdir()
    (tmp_path / "raw/Area_1/office_0/Annotations/chair_1.txt").unlink()
    done = prepare(*arguments)
    assert done.returncode == 0
    assert "1 scenes prepared, 3 were there already, 0 failed" in done.stdout
    assert "chair_1.txt:201:" in done.stdout


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_at_any_moment_leaves_no_half_scene(tmp_path: Path, workers: int) -> None:
    building(tmp_path / "raw", 12, 3000)
    output = tmp_path / "out"
    arguments = (f"input={tmp_path / 'raw'}", f"output={output}", f"workers={workers}")
    command = [sys.executable, "tools/prepare.py", *arguments]
    for wanted in (1, 5):  # scenes done when the axe falls
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        limit = time.monotonic() + 60
        while len(list(output.glob("*/office_*"))) < wanted and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        limit = time.monotonic() + 20
        while _group_lives(process.pid) and time.monotonic() < limit:
            time.sleep(0.05)
        assert not _group_lives(process.pid), "workers outlived their parent"
        for folder in output.glob("*/office_*"):
            scene = read_scene(folder, S3DIS, with_labels=True)
            assert len(scene) == 6000
            assert scene.segment is not None
    done = prepare(*arguments)
    assert done.returncode == 0, done.stderr
    assert len(list_scenes(output, ["Area_1", "Area_2"])) == 12
    assert leftovers(output) == []


def _group_lives(group: int) -> bool:
    """Does any process of the group still run? One that ended but was not collected by its new parent does not."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = file.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            return True
    return False


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_stops_it_and_leaves_nothing_half(tmp_path: Path, workers: int) -> None:
    building(tmp_path / "raw", 4, 2000)
    # dataset.json and the colors still fit below the limit, the coordinates do not
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", f"workers={workers}", limit=20_000)
    assert "cannot write" in failed(done)
    assert list((tmp_path / "out").rglob("*.npy")) == []
    assert leftovers(tmp_path / "out") == []


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
    ("arguments", "told"),
    [
        (("input=/nowhere", "output=/tmp/never"), "/nowhere: no such folder"),
        (("output=/tmp/never",), "'input=' is missing"),
        (("input=.", "output=/tmp/never", "splits=3"), "'splits=3' is not understood"),
        (("input=tests", "output=/tmp/never", "workers=-1"), "workers=-1"),
        (("input=tests", "output=/tmp/never", "workers=many"), "many"),
        (("input=tests", "output=/tmp/never", "dataset=kitti"), "dataset=kitti: no such kind"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], told: str) -> None:
    assert told in failed(prepare(*arguments))
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


def own(raw: Path, *names: str) -> None:
    """Good scans of two points each, with a classes.yaml."""
    for name in names:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text("x,y,z,label\n0,1,1,0\n1,2,2,1\n")
    (raw / "classes.yaml").write_text("names: [ground, tree]\n")


@pytest.mark.parametrize("workers", [1, 2])
def test_linked_splits_and_files_that_are_not_used(tmp_path: Path, workers: int) -> None:
    own(tmp_path / "raw", "train/a.csv")
    own(tmp_path / "disk", "test/b.csv")
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
    own(tmp_path / "raw", "a.csv")
    (tmp_path / "raw/a.csv").write_text("")
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}")
    assert "1 of 1 scenes failed, so nothing is there to train on; train/a: " in failed(done)


@pytest.mark.parametrize("workers", [1, 8])
def test_few_file_handles_are_no_reason_to_hang(tmp_path: Path, workers: int) -> None:
    own(tmp_path / "raw", *(f"train/{i}.csv" for i in range(6)))
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", f"workers={workers}", handles=24)
    assert done.returncode == 0, done.stderr
    assert "6 scenes prepared" in done.stdout


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


@pytest.mark.skipif(not REAL.is_dir(), reason="the real rooms are not here")
def test_real_rooms(tmp_path: Path) -> None:
    done = prepare(f"input={REAL}", f"output={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert "2 scenes prepared" in done.stdout
    folders = list_scenes(tmp_path / "out", ["Area_3", "Area_5"])
    assert [len(read_scene(f, S3DIS, with_labels=True)) for f in folders] == [175075, 175538]
