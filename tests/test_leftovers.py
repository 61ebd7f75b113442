"""The next write in a folder removes the temporary files of killed processes, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcseg import leftovers
from pcseg.files import atomic_path, sweep, write_json

FILE = """
import sys, time
from pcseg.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""

FOLDER = """
import sys, time
from pathlib import Path
from pcseg.files import atomic_path, write_json
with atomic_path(sys.argv[1]) as temporary:
    temporary.mkdir()
    write_json(temporary / "half.json", 1)
    print("writing", flush=True)
    time.sleep(60)
"""

BETWEEN = """
import os, sys, time
from pathlib import Path
from pcseg.files import atomic_path
def renamed(self, target, rename=Path.rename):
    rename(self, target)
    print("renamed", flush=True)
    time.sleep(60)
Path.rename = renamed
with atomic_path(sys.argv[1]) as temporary:
    temporary.mkdir()
"""

Writer = subprocess.Popen


def content(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def writers() -> Iterator[list[Writer[str]]]:
    """Return a list of processes that are ended with the test."""
    running: list[Writer[str]] = []
    yield running
    for process in running:
        end(process)


def end(process: Writer[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def begin(writers: list[Writer[str]], program: str, path: Path) -> Writer[str]:
    """Start a process that is writing ``path``."""
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    writers.append(process)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


@pytest.mark.parametrize("program", [FILE, FOLDER])
def test_the_next_write_in_the_folder_removes_what_a_killed_one_left(
    tmp_path: Path, writers: list[Writer[str]], program: str
) -> None:
    process = begin(writers, program, tmp_path / "cloud.ply")
    assert len(content(tmp_path)) == 1
    write_json(tmp_path / "other.json", 1)
    assert len(content(tmp_path)) == 2, "a running process must keep its temporary"
    process.kill()
    while "Z" not in Path(f"/proc/{process.pid}/stat").read_text():  # killed, but not yet waited for by its parent
        time.sleep(0.01)
    write_json(tmp_path / "third.json", 1)
    assert content(tmp_path) == ["other.json", "third.json"]


def test_a_killed_one_leaves_the_old_file(tmp_path: Path, writers: list[Writer[str]]) -> None:
    (tmp_path / "file").write_text("old")
    process = begin(writers, FILE, tmp_path / "file")
    end(process)
    assert (tmp_path / "file").read_text() == "old"
    for name in (".kept", ".file.12345678.tmp", ".file.pcseg-1.tmp"):  # of other programs
        (tmp_path / name).write_text("")
    write_json(tmp_path / "file", "new")
    assert content(tmp_path) == [".file.12345678.tmp", ".file.pcseg-1.tmp", ".kept", "file"]


def test_sweep_looks_one_folder_deep(tmp_path: Path, writers: list[Writer[str]]) -> None:
    for path in (tmp_path / "a", tmp_path / "split" / "scene", tmp_path / "split" / "scene" / "deep"):
        process = begin(writers, FOLDER, path)
        end(process)
    sweep(tmp_path)
    assert content(tmp_path) == ["split"]
    assert content(tmp_path / "split") == ["scene"]
    assert len(content(tmp_path / "split" / "scene")) == 1
    sweep(tmp_path / "absent")


def test_a_folder_that_was_being_replaced_comes_back(tmp_path: Path, writers: list[Writer[str]]) -> None:
    scene = tmp_path / "scene"
    scene.mkdir()
    (scene / "precious").write_text("old")
    process = begin(writers, BETWEEN, scene)
    sweep(tmp_path)
    assert not scene.exists(), "a running process must be left to finish"
    end(process)
    sweep(tmp_path)
    assert content(tmp_path) == ["scene"]
    assert content(scene) == ["precious"]


def made_by(place: str, process: int, begun: str, age: float, folder: Path) -> Path:
    path = folder / f".x.pcseg-{place}-{process}-{begun}-0123abcd.tmp"
    path.write_text("")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_only_abandoned_temporaries_are_removed(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "x") as temporary:
        _, place, process, begun, *_ = temporary.name.split("pcseg")[1].split("-")
        mine = int(process)
        assert (mine, begun) == (os.getpid(), leftovers._begun(mine))
        cases = {
            made_by(place, mine, begun, 9e9, tmp_path): True,
            made_by(place, mine, begun + "1", 0, tmp_path): False,  # the process id belonged to another process before
            made_by(place, 2**22 + 5, begun, 0, tmp_path): False,  # beyond the largest process number of Linux
            made_by(place, 2**70, begun, 0, tmp_path): False,
            made_by("ffffffff", 2**22 + 5, begun, 3600, tmp_path): True,  # of another machine or container
            made_by("ffffffff", 2**22 + 6, begun, 90_000, tmp_path): False,
        }
        leftovers.sweep_folder(tmp_path)
        assert {path: path.exists() for path in cases} == cases
        temporary.write_text("")
