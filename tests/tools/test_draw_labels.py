"""tools/draw_labels.py as a user runs it: each rule, the classes from where they stand, mistakes in one line."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from pcseg.budgets.weak_labels import WeakLabels
from pcseg.datasets import S3disReader
from pcseg.datasets.prepare import prepare
from pcseg.scenes.scene import read_scene
from tests.scenes.rooms import CLASSES, building

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Call = Callable[..., Done]


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The tool in a process of its own."""
    return subprocess.run(
        [sys.executable, "tools/draw_labels.py", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The same in this process, which saves the seconds that imports take."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["draw_labels.py", *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(REPOSITORY / "tools" / "draw_labels.py"), run_name="__main__")
        captured = capsys.readouterr()
        return Done(int(end.value.code or 0), captured.out, captured.err)

    return run


def sources(root: Path) -> tuple[Path, Path]:
    """An official list and a click file for the rooms under ``root``."""
    torch.save({f"room_{i}": np.array([1, 2, 5 + i]) for i in range(4)}, root / "points3")
    (root / "clicks.csv").write_text("scene,index,class\nroom_1,3,wall\nArea_1/room_2,9,floor\n")
    return root / "points3", root / "clicks.csv"


@pytest.mark.parametrize(
    ("rule", "spent"),
    [
        ("rule=uniform fraction=0.05", 80),
        ("rule=per_class fraction=0.0001", 12),
        ("rule=points points=7 seed=2", 28),
        ("rule=clicks", 36),
        ("rule=scannet source={list}", 12),
        ("rule=csv source={csv}", 2),
    ],
)
def test_each_rule_writes_what_it_prints(tmp_path: Path, call: Call, rule: str, spent: int) -> None:
    folders = building(tmp_path / "data")
    official, clicks = sources(tmp_path)
    arguments = rule.format(list=official, csv=clicks).split()
    output = tmp_path / "out" / "labels.npz"
    done = call(f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={output}", *arguments)
    assert done.returncode == 0, done.stderr
    labels = WeakLabels.load(output)
    assert labels.classes == CLASSES.names
    assert labels.spent == spent
    assert labels.sha256 in done.stdout
    assert labels.summary() in done.stdout
    assert all(name in done.stdout for name in CLASSES.names)
    assert "4/4" in done.stderr
    for folder in folders:
        labels.labels(read_scene(folder, CLASSES, with_labels=False))


def test_clicks_need_no_ground_truth(tmp_path: Path, call: Call) -> None:
    for folder in building(tmp_path / "data"):
        (folder / "segment.npy").write_bytes(b"unreadable")
        (folder / "instance.npy").unlink()
    done = call(
        f"root={tmp_path / 'data'}",
        "splits=[Area_1]",
        f"output={tmp_path / 'o'}",
        "rule=csv",
        f"source={sources(tmp_path)[1]}",
    )
    assert done.returncode == 0, done.stderr


def test_classes_come_from_the_data_set_the_scene_or_the_command_line(tmp_path: Path, call: Call) -> None:
    folders = building(tmp_path / "data")
    common = (f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={tmp_path / 'o.npz'}", "rule=points")
    turned = list(CLASSES.names[::-1])
    (tmp_path / "data" / "dataset.json").write_text(json.dumps({"classes": turned, "colors": [[1, 2, 3]] * 4}))
    assert call(*common).returncode == 0
    from_dataset = WeakLabels.load(tmp_path / "o.npz")
    assert from_dataset.classes == tuple(turned)
    (tmp_path / "data" / "dataset.json").unlink()
    (tmp_path / "classes.yaml").write_text(f"names: {turned}\n")
    for choice in (",".join(turned), str(tmp_path / "classes.yaml")):
        assert call(*common, f"classes={choice}", "overwrite=true").returncode == 0
        assert WeakLabels.load(tmp_path / "o.npz").sha256 == from_dataset.sha256
    (folders[0] / "scene.json").unlink()
    done = call(*common, "overwrite=true")
    assert done.returncode == 2
    assert "classes=s3dis" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("rule=random", "rule=random: must be one of uniform"),
        ("fraction=2", "fraction=2: must be above 0"),
        ("fraction=few", "few"),
        ("splits=[Area_7]", "Area_7: no scene folder here (found"),
        ("root=nowhere", "nowhere: no such folder"),
        ("rule=csv", "source=(none)"),
        ("source=x", "source=x: the rules scannet and csv need a file"),
        ("rule=csv source=missing.csv", "missing.csv: no such file"),
        ("classes=a,b", "check the class names"),
        ("fractoin=0.1", "fractoin"),
        ("output=/proc/x/labels.npz", "/proc/x/labels.npz: cannot write"),
        ("output=/dev/null/labels.npz", "cannot write there, /dev/null is a file"),
        ("output=/proc", "output=/proc: is a folder; give the name of a file"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, call: Call, arguments: str, named: str) -> None:
    building(tmp_path / "data", scenes=2, points=20)
    given = {"root": str(tmp_path / "data"), "splits": "[Area_1]", "output": str(tmp_path / "labels.npz")}
    given |= dict(argument.split("=", 1) for argument in arguments.split())
    done = call(*(f"{name}={value}" for name, value in given.items()))
    errors = [line for line in done.stderr.splitlines() if line.strip() and "scene/s]" not in line]
    assert done.returncode == 2
    assert len(errors) == 1
    assert named in errors[0]
    assert not (tmp_path / "labels.npz").exists()


def test_a_budget_is_not_replaced_unless_asked(tmp_path: Path, call: Call) -> None:
    building(tmp_path / "data", scenes=2, points=20)
    output = tmp_path / "labels.npz"
    common = (f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={output}", "rule=points")
    assert call(*common, "points=3").returncode == 0
    before = output.read_bytes()
    done = call(*common, "points=4")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert f"output={output}: is there already; choose another name, or overwrite=true" in done.stderr
    assert output.read_bytes() == before
    assert call(*common, "points=4", "overwrite=true").returncode == 0
    assert WeakLabels.load(output).spent == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "labels.npz"]


@pytest.mark.parametrize("rule", ["empty clicks", "uniform", "per_class", "points", "clicks", "scannet"])
def test_a_budget_without_a_label_is_not_written(tmp_path: Path, call: Call, rule: str) -> None:
    for folder in building(tmp_path / "data", scenes=2, points=20):
        np.save(folder / "segment.npy", np.full(20, -1, dtype=np.int16))
    given = [f"rule={rule}"]
    if rule == "empty clicks":
        (tmp_path / "clicks.csv").write_text("scene,index,class\n")
        given = ["rule=csv", f"source={tmp_path / 'clicks.csv'}"]
    if rule == "scannet":
        given += [f"source={sources(tmp_path)[0]}"]
    done = call(f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={tmp_path / 'l.npz'}", *given)
    assert done.returncode == 2
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: ")
    assert "so there is nothing to train on" in error
    assert ("has no labeled point" in error) == (rule in ("empty clicks", "per_class", "clicks"))
    assert not (tmp_path / "l.npz").exists()


def test_one_labeled_point_is_enough(tmp_path: Path, call: Call) -> None:
    building(tmp_path / "data", scenes=2, points=20)
    (tmp_path / "clicks.csv").write_text("scene,index,class\nroom_1,3,wall\n")
    arguments = ("rule=csv", f"source={tmp_path / 'clicks.csv'}", f"output={tmp_path / 'l.npz'}")
    assert call(f"root={tmp_path / 'data'}", "splits=[Area_1]", *arguments).returncode == 0
    assert WeakLabels.load(tmp_path / "l.npz").count == 1


def test_what_a_killed_draw_left_is_removed_by_the_next(tmp_path: Path, call: Call) -> None:
    building(tmp_path / "data", scenes=2, points=20)
    tool = REPOSITORY / "tools"
    arguments = [f"root={tmp_path / 'data'}", "splits=[Area_1]", "rule=points", "points=3"]
    program = f"""
import os, runpy, signal, sys
import numpy as np
def killed(stream, **arrays):
    np.savez(stream, **arrays)
    os.kill(os.getpid(), signal.SIGKILL)
np.savez_compressed = killed
sys.path.insert(0, {str(tool)!r})
sys.argv = ["draw_labels.py", *{arguments!r}, "output={tmp_path / "out" / "first.npz"}"]
runpy.run_path({str(tool / "draw_labels.py")!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, check=False)
    assert done.returncode == -9
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert call(*arguments, f"output={tmp_path / 'out' / 'second.npz'}").returncode == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["second.npz"]


def test_an_error_amid_the_scenes_starts_its_own_line(tmp_path: Path, call: Call) -> None:
    building(tmp_path / "data", scenes=2, points=20)
    (tmp_path / "clicks.csv").write_text("scene,index,class\nroom_1,3,sofa\n")
    common = (f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={tmp_path / 'labels.npz'}")
    done = call(*common, "rule=csv", f"source={tmp_path / 'clicks.csv'}")
    assert done.returncode == 2
    bar, error = done.stderr.split("\n")[-3:-1]  # a bar is redrawn after \r, on the same line
    assert "1/2" in bar
    assert error.startswith(f"error: {tmp_path / 'clicks.csv'}, line 2: class 'sofa' is not one of")


def test_as_a_process(tmp_path: Path) -> None:
    building(tmp_path / "data", scenes=2, points=20)
    common = (f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={tmp_path / 'labels.npz'}")
    done = process(*common, "rule=points", "points=3")
    assert (done.returncode, WeakLabels.load(tmp_path / "labels.npz").spent) == (0, 6)
    done = process(*common, "rule=points", "points=0", "overwrite=true")
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: points=0: must be 1 or more"]


REAL = REPOSITORY.parent / "shared" / "data" / "s3dis_raw"


@pytest.mark.skipif(not REAL.is_dir(), reason="no real rooms here")
def test_real_rooms(tmp_path: Path, call: Call) -> None:
    prepare(S3disReader(REAL), tmp_path / "rooms", workers=1)
    done = call(f"root={tmp_path / 'rooms'}", "splits=[Area_3,Area_5]", f"output={tmp_path / 'l.npz'}", "rule=clicks")
    assert done.returncode == 0, done.stderr
    assert WeakLabels.load(tmp_path / "l.npz").count == 24
