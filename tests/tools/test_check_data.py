"""tools/check_data.py as typed: exit code 2 exactly when something must be mended, and each reason once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pcseg.files import write_json
from pcseg.scenes.scene import Scene, write_scene
from tests.datasets.raw import s3dis_room
from tests.forked import run_script

ROOT = Path(__file__).parents[2]


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run_script("tools/check_data.py", *map(str, arguments))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two good scenes of two classes."""
    rng = np.random.default_rng(0)
    for name in ("train/a", "val/b"):
        coord = rng.uniform(0, 5, (500, 3)).astype(np.float32)
        color = rng.integers(0, 255, (500, 3)).astype(np.uint8)
        write_scene(
            tmp_path, Scene(coord, {"color": color, "segment": np.arange(500) % 2}, name, classes=("ground", "tree"))
        )
    write_json(tmp_path / "dataset.json", {"classes": ["ground", "tree"], "colors": [[1, 2, 3], [4, 5, 6]]})
    return tmp_path


def test_a_good_folder(root: Path) -> None:
    done = check(f"root={root}")
    assert done.returncode == 0, done.stderr
    for text in (
        "train       1     500   100.0%    1/1",
        "250 (50.0%)",
        "suggested voxel size:",
        "nothing must be fixed",
    ):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("file", "array", "told"),
    [
        ("coord", np.full((500, 3), np.nan, np.float32), "point 0 is [nan, nan, nan]"),
        ("coord", np.random.default_rng(0).uniform(0, 5000, (500, 3)), "probably millimeters"),
        ("segment", np.full(500, 9, np.int16), "label 9 at point 0, but there are 2 classes"),
        ("segment", np.zeros(3, np.int16), "3 values for 500 points"),
        ("color", np.full((500, 3), 900, np.int32), "colors must be"),
    ],
)
def test_faults(root: Path, file: str, array: np.ndarray, told: str) -> None:
    np.save(root / f"val/b/{file}.npy", array)
    done = check(f"root={root}")
    assert done.returncode == 2
    assert any(line.startswith("MUST FIX: val/b: ") and told in line for line in done.stdout.splitlines())
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert error.endswith("faults to fix: 1; they are listed above as MUST FIX")
    assert (done.stdout + done.stderr).count(told) == 1
    assert "250 (50.0%)" in done.stdout  # the good scene is told of all the same


def test_raw_data_is_checked_too(tmp_path: Path) -> None:
    s3dis_room(tmp_path / "Area_1/office_1", {"floor_1": 50, "chair_1": 50})
    with open(tmp_path / "Area_1/office_1/Annotations/floor_1.txt", "a") as stream:
        stream.write("1 2\n")
    done = check(f"root={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "floor_1.txt:51: line reads '1 2'; dropped" in done.stdout
    (tmp_path / "Area_1/office_2").mkdir()
    assert "no Annotations folder" in check(f"root={tmp_path}").stdout


def report(root: Path, **changed: object) -> None:
    told: dict[str, object] = {"prepared": ["train/a"], "already_there": ["val/b"], "failed": [], "remarks": []}
    write_json(root / "prepare_report.json", {**told, **changed})


def test_what_prepare_reported_is_quoted_by_file(root: Path) -> None:
    remarks = [f"/raw/a b/chair_1.txt:{line}: line reads '1: 2'; dropped" for line in (5, 7, 9)]
    report(root, failed=[["val/b", "was mended since"]], remarks=[*remarks, "/raw/d.ply: no labels; unlabeled"])
    done = check(f"root={root}")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("note: ")] == [
        f"note: val/b: failed in tools/prepare.py (see {root}/prepare_report.json): was mended since; what is there is "
        "of an earlier state of its source, or was mended since",
        "note: prepare_report.json: 1 of 3 scenes failed; 4 problems noted in 2 files",
        f"note: prepare_report.json: {remarks[0]} (and 2 more there)",
        "note: prepare_report.json: /raw/d.ply: no labels; unlabeled",
    ]


def test_a_scene_that_prepare_failed_on_must_be_mended(root: Path) -> None:
    report(root, failed=[["val/c", "/raw/c.txt: no numbers"]])
    done = check(f"root={root}")
    assert done.returncode == 2
    told = f"val/c: failed in tools/prepare.py (see {root}/prepare_report.json): /raw/c.txt: no numbers"
    assert f"MUST FIX: {told}" in done.stdout
    assert "faults to fix: 1; " in done.stderr
    assert (done.stdout + done.stderr).count(told) == 1


def test_where_prepare_failed_on_all_that_is_said(root: Path) -> None:
    failed = [["train/a", "/raw/a.txt: no numbers"], ["val/b", "/raw/b.txt: no numbers"]]
    report(root, prepared=[], already_there=[], failed=failed)
    for name in ("train", "val"):
        shutil.rmtree(root / name)
    done = check(f"root={root}")
    assert done.returncode == 2
    assert f"all 2 scenes failed in tools/prepare.py (see {root}/prepare_report.json); train/a: /raw/a" in done.stderr


def test_classes_that_the_training_lacks_and_strays(root: Path) -> None:
    np.save(root / "train/a/segment.npy", np.r_[np.zeros(495, np.int16), -np.ones(5, np.int16)])
    coord = np.load(root / "val/b/coord.npy")
    np.save(root / "val/b/coord.npy", np.r_[coord[:-1], np.float32([[0, 0, 1e9]])])
    done = check(f"root={root}")
    assert done.returncode == 0, done.stderr
    assert "note: train: no point of tree, which is in val; it can hardly be learned" in done.stdout
    assert "1 of 500 points stand over 1000 m apart from the others (first: point 499, " in done.stdout
    assert "1 points stand apart, farther than 3 times the size of the scan" in done.stdout
    assert "4.9 x 4.9 x 4.9" in done.stdout.replace("5.0", "4.9").replace("4.8", "4.9")


DEADLY = """
import os, signal, sys
sys.path[:0] = [{tools!r}, {root!r}]
from dataclasses import dataclass
from pcseg.datasets import PointceptReader
import check_data

class Deadly(PointceptReader):
    def read(self, name):
        if name == "val/b":
            os.kill(os.getpid(), signal.SIGABRT)
        return super().read(name)

def open_deadly(root, *rest):
    return Deadly(root, check_data.open_dataset_(root, *rest).classes)

if __name__ == "__main__":
    check_data.open_dataset_, check_data.open_dataset = check_data.open_dataset, open_deadly
    check_data.run(check_data.main, check_data.Options)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_kills_its_reader_is_one_line(root: Path, tmp_path: Path, workers: int) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY.format(tools=str(ROOT / "tools"), root=str(ROOT)))
    command = [sys.executable, str(tmp_path / "deadly.py"), f"root={root}", f"workers={workers}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "MUST FIX: val/b: its process died of SIGABRT" in done.stdout
    assert "250 (50.0%)" in done.stdout  # the other scene is told of all the same


@pytest.mark.parametrize("changed", [{"failed": 3}, {"failed": [1]}, {"remarks": None}])
def test_a_damaged_report(root: Path, changed: dict[str, object]) -> None:
    report(root, **changed)
    done = check(f"root={root}")
    assert done.returncode == 2
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert f"{root}/prepare_report.json: is no report of tools/prepare.py" in error


def test_nothing_there(tmp_path: Path) -> None:
    for root, told in ((tmp_path, "classes.yaml"), (tmp_path / "nowhere", "no such folder")):
        done = check(f"root={root}")
        assert done.returncode == 2
        assert told in done.stderr
