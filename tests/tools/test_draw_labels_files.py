"""The file of tools/draw_labels.py: mistakes in one line, nothing replaced unless asked, nothing left over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pcseg.budgets.weak_labels import WeakLabels
from tests.forked import run_script
from tests.scenes.rooms import building
from tests.tools.conftest import REPOSITORY, Call


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tool in a process of its own."""
    return run_script("tools/draw_labels.py", *arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("rule=random", "rule=random: must be one of uniform"),
        ("fraction=2", "fraction=2: must be above 0"),
        ("fraction=few", "few"),
        ("splits=[Area_7]", "Area_7: no scene folder here (found"),
        ("root=nowhere", "nowhere: no such folder"),
        ("rule=csv", "source=(none)"),
        ("source=x", "source=x: is ignored by rule=uniform, which here takes fraction, seed; leave it out"),
        ("rule=points fraction=0.01", "fraction=0.01: is ignored by rule=points, which here takes points, seed"),
        ("rule=clicks points=3", "points=3: is ignored by rule=clicks, which here takes seed"),
        ("rule=csv source=x seed=0", "seed=0: is ignored by rule=csv, which here takes source, max_distance"),
        ("rule=scenes scenes=1 fraction=0.5", "fraction=0.5: is ignored by rule=scenes, which here takes scenes, seed"),
        ("rule=tags points=3", "points=3: is ignored by rule=tags, which here takes source, radius"),
        ("rule=tags source=x.csv radius=2", "radius=2.0: is ignored by rule=tags, which here takes source"),
        ("rule=tags output=tags.npz", "output=tags.npz: rule=tags writes no .npz file; give a name in .json"),
        ("output=labels.json", "output=labels.json: rule=uniform writes no .json file; give a name in .npz"),
        ("rule=csv source=missing.csv", "missing.csv: no such file"),
        ("rule=scenes scenes=3", "scenes=3: must be from 0 to 2"),
        ("rule=scenes scenes=few", "scenes=few: give a whole number or null"),
        ("rule=tags radius=0", "radius=0, points=20: give a radius above 0"),
        ("rule=tags source=missing.csv", "missing.csv: no such file"),
        ("rule=tags source=missing.yaml", "missing.yaml: no such file"),
        ("classes=a,b", "check the class names"),
        ("fractoin=0.1", "fractoin"),
        ("output=/proc/x/labels.npz", "/proc/x/labels.npz: cannot write"),
        ("output=/dev/null/labels.npz", "cannot write there, /dev/null is a file"),
        ("output=/proc", "output=/proc: is a folder; give the name of a file"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, draw_labels: Call, arguments: str, named: str) -> None:
    building(tmp_path / "data", scenes=2, points=20)
    output = tmp_path / ("tags.json" if "rule=tags" in arguments else "labels.npz")
    given = {"root": str(tmp_path / "data"), "splits": "[Area_1]", "output": str(output)}
    given |= dict(argument.split("=", 1) for argument in arguments.split())
    done = draw_labels(*(f"{name}={value}" for name, value in given.items()))
    errors = [line for line in done.stderr.splitlines() if line.strip() and "scene/s]" not in line]
    assert done.returncode == 2
    assert len(errors) == 1
    assert named in errors[0]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_budget_is_not_replaced_unless_asked(tmp_path: Path, draw_labels: Call) -> None:
    building(tmp_path / "data", scenes=2, points=20)
    output = tmp_path / "labels.npz"
    common = (f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={output}", "rule=points")
    assert draw_labels(*common, "points=3").returncode == 0
    before = output.read_bytes()
    done = draw_labels(*common, "points=4")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert f"output={output}: is there already; choose another name, or overwrite=true" in done.stderr
    assert output.read_bytes() == before
    assert draw_labels(*common, "points=4", "overwrite=true").returncode == 0
    assert WeakLabels.load(output).spent == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "labels.npz"]


@pytest.mark.parametrize(
    "rule", ["empty clicks", "uniform", "per_class", "points", "clicks", "scannet", "scenes", "tags"]
)
def test_a_budget_without_a_label_is_not_written(tmp_path: Path, draw_labels: Call, rule: str) -> None:
    for folder in building(tmp_path / "data", scenes=2, points=20):
        np.save(folder / "segment.npy", np.full(20, -1, dtype=np.int16))
    given = [f"rule={rule}"]
    if rule == "empty clicks":
        (tmp_path / "clicks.csv").write_text("scene,index,class\n")
        given = ["rule=csv", f"source={tmp_path / 'clicks.csv'}"]
    if rule == "scannet":
        torch.save({f"room_{i}": np.array([1, 2, 5]) for i in range(2)}, tmp_path / "points3")
        given += [f"source={tmp_path / 'points3'}"]
    output = tmp_path / ("l.json" if rule == "tags" else "l.npz")
    done = draw_labels(f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={output}", *given)
    assert done.returncode == 2
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: ")
    assert "so there is nothing to train on" in error
    assert ("has no tag" in error) == (rule == "tags")
    assert ("has no labeled point" in error) == (rule in ("empty clicks", "per_class", "clicks"))
    assert not output.exists()


def test_one_labeled_point_is_enough(tmp_path: Path, draw_labels: Call) -> None:
    building(tmp_path / "data", scenes=2, points=20)
    (tmp_path / "clicks.csv").write_text("scene,index,class\nroom_1,3,wall\n")
    arguments = ("rule=csv", f"source={tmp_path / 'clicks.csv'}", f"output={tmp_path / 'l.npz'}")
    assert draw_labels(f"root={tmp_path / 'data'}", "splits=[Area_1]", *arguments).returncode == 0
    assert WeakLabels.load(tmp_path / "l.npz").count == 1


def test_files_of_a_killed_draw_are_removed_by_the_next(tmp_path: Path, draw_labels: Call) -> None:
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
    assert draw_labels(*arguments, f"output={tmp_path / 'out' / 'second.npz'}").returncode == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["second.npz"]


def test_an_error_amid_the_scenes_starts_its_own_line(tmp_path: Path, draw_labels: Call) -> None:
    building(tmp_path / "data", scenes=2, points=20)
    (tmp_path / "clicks.csv").write_text("scene,index,class\nroom_1,3,sofa\n")
    common = (f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={tmp_path / 'labels.npz'}")
    done = draw_labels(*common, "rule=csv", f"source={tmp_path / 'clicks.csv'}")
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
