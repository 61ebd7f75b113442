"""tools/prepare.py run again, killed, on a full disk, or with few file handles: no partial scene is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pcseg.classes import S3DIS
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene
from tests.tools.prepared import ROOT, building, failed, leftovers, own_scans, prepare


def test_a_second_run_keeps_prepared_scenes_unless_overwrite(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_at_any_moment_leaves_no_partial_scene(tmp_path: Path, workers: int) -> None:
    building(tmp_path / "raw", 12, 3000)
    output = tmp_path / "out"
    arguments = (f"input={tmp_path / 'raw'}", f"output={output}", f"workers={workers}")
    command = [sys.executable, "tools/prepare.py", *arguments]
    for wanted in (1, 5):  # scenes done before the kill
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
    """Return whether a process of the group still runs; zombies do not count."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = file.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            return True
    return False


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_ends_the_run_and_leaves_no_partial_file(tmp_path: Path, workers: int) -> None:
    building(tmp_path / "raw", 4, 2000)
    # dataset.json and the colors still fit below the limit, the coordinates do not
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", f"workers={workers}", limit=20_000)
    assert "cannot write" in failed(done)
    assert list((tmp_path / "out").rglob("*.npy")) == []
    assert leftovers(tmp_path / "out") == []


@pytest.mark.parametrize("workers", [1, 8])
def test_few_file_handles_do_not_hang_the_run(tmp_path: Path, workers: int) -> None:
    own_scans(tmp_path / "raw", *(f"train/{i}.csv" for i in range(6)))
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", f"workers={workers}", handles=24)
    assert done.returncode == 0, done.stderr
    assert "6 scenes prepared" in done.stdout
