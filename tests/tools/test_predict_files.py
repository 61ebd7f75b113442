"""tools/predict.py on folders, patterns and links, killed with kill -9, and with input it refuses."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

from pcseg.formats import read_cloud, write_cloud
from pcseg.scenes.scene import write_scene
from tests.tools._runs import CLASSES, ROOT, checkpoint, environment, failed, room, tool_here
from tests.tools.scans import scan


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("net") / "last.safetensors")


def test_a_folder_and_a_pattern_of_scans(net, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("one.ply", "two.las", "notes.md", "._one.ply", ".two.las"):
        if name.endswith("md") or name.startswith("."):
            (tmp_path / "in" / name).write_text("nothing to label")
        else:
            scan(tmp_path / "in" / name)
    out = tmp_path / "out"
    done = tool_here("predict", f"checkpoint={net}", f"input={tmp_path / 'in'}", f"output={out}", "paint=true")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in out.iterdir()) == ["one.ply", "two.las"]
    cloud = read_cloud(out / "one.ply")
    np.testing.assert_array_equal(cloud.color, CLASSES.palette()[cloud.fields["label"].astype(int)])
    pattern = tmp_path / "in" / "**" / "*.las"
    done = tool_here("predict", f"checkpoint={net}", f"input={pattern}", f"output={tmp_path / 'las'}", "format=.ply")
    assert done.returncode == 0, done.stderr
    assert [p.name for p in (tmp_path / "las").iterdir()] == ["two.ply"]


def test_one_bad_scan_does_not_stop_the_others(net, tmp_path):
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


def test_kill_9_leaves_no_partial_file(net, tmp_path):
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
        (["input={tmp}/scan.ply", "output=/proc/o.ply"], ["output=/proc/o.ply: cannot write"]),
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


@pytest.mark.parametrize(
    ("source", "target"), [("las", "las"), ("laz", "laz"), ("npy", "npy"), ("laz", "ply"), ("npy", "las")]
)
def test_a_scan_larger_than_the_memory_makes_the_same_file(net, tmp_path, monkeypatch, source, target):
    given = scan(tmp_path / f"scan.{source}")
    for name, small in (("memory", 1 << 30), ("files", 0)):
        monkeypatch.setattr("pcseg.spool.SMALL", small)
        out = tmp_path / name / f"out.{target}"
        done = tool_here("predict", f"checkpoint={net}", f"input={given}", f"output={out}", "max_voxels=200")
        assert done.returncode == 0, done.stderr
        assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert (tmp_path / "memory" / out.name).read_bytes() == out.read_bytes()


def test_no_room_for_a_scan_larger_than_the_memory_leaves_nothing(net, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pcseg.spool.SMALL", 0)
    monkeypatch.setattr("os.posix_fallocate", full)
    source = scan(tmp_path / "scan.las")
    done = tool_here("predict", f"checkpoint={net}", f"input={source}", f"output={tmp_path}/out.las")
    failed(done, str(tmp_path), "No space left on device", "free space")
    assert [path.name for path in tmp_path.iterdir()] == ["scan.las"]
