"""benchmarks/lifting.py from the command line: label files of a few points, scored by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE
from pcseg.files import write_json
from pcseg.scenes.scene import Scene, write_scene
from tests.benchmarks._runs import bench_here
from tests.tools._runs import CLASSES, failed

TRUTH = {"a": [0, 0, 0, 0, 1, 1], "b": [1, 1, IGNORE, 0]}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Two scenes, and a file of guesses: of ``a`` the first four and the last, of ``b`` all, its last one given."""
    write_json(tmp_path / "scenes" / "dataset.json", {"classes": CLASSES.names, "colors": CLASSES.colors})
    entries = []
    guesses = {"a": ([0, 1, 2, 3, 5], [0, 0, 0, 1, 1]), "b": ([0, 1, 2, 3], [1, 2, 2, 0])}
    for name, truth in TRUTH.items():
        coord = np.random.default_rng(len(truth)).random((len(truth), 3)).astype(np.float32)
        scene = Scene(coord, {"segment": np.array(truth, np.int16)}, f"Area_5/{name}", classes=CLASSES.names)
        write_scene(tmp_path / "scenes", scene)
        rows, labels = guesses[name]
        weight = np.full(len(rows), 0.9, np.float16)
        weight[rows.index(3)] = 1 if name == "b" else 0.9
        found = np.array(rows), np.array(labels), weight
        entries.append(SceneLabels(scene.name, len(scene), scene.digest(), *found))
    WeakLabels(CLASSES.names, "lifted", {}, None, tuple(entries)).save(tmp_path / "labels.npz")
    return tmp_path


def test_scores_are_those_counted_by_hand(made: Path) -> None:
    """Pairs of truth and guess: 0 0, 0 0, 0 0, 0 1, 1 -, 1 1 of ``a``; 1 1, 1 2 of ``b``."""
    arguments = (f"root={made}/scenes", "splits=[Area_5]", f"labels=[{made}/labels.npz]", f"json={made}/rows.json")
    done = bench_here("lifting", *arguments)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((made / "rows.json").read_text())
    assert row["scenes"] == 2
    assert row["labeled"] == pytest.approx(100 * 7 / 8)
    assert row["accuracy"] == pytest.approx(100 * 5 / 7)
    assert row["miou"] == pytest.approx(100 * (3 / 4 + 2 / 4) / 2)
    assert row["miou_of_all"] == pytest.approx(100 * (3 / 4 + 2 / 5) / 2)
    assert "| 2 | 87.5 | 71.4 | 62.5 | 57.5 |" in done.stdout


def test_files_that_cannot_be_scored(made: Path) -> None:
    arguments = [f"root={made}/scenes", "splits=[Area_5]"]
    failed(bench_here("lifting", *arguments, f"labels=[{made}/none.npz]"), "none.npz", "no such label file")
    entries = [SceneLabels("Area_1/x", 5, "0" * 64, np.arange(2), np.arange(2))]
    WeakLabels(CLASSES.names, "uniform", {}, 0, tuple(entries)).save(made / "other.npz")
    failed(bench_here("lifting", *arguments, f"labels=[{made}/other.npz]"), "covers no point of these splits")
    (made / "scenes" / "Area_5" / "a" / "segment.npy").unlink()
    failed(bench_here("lifting", *arguments, f"labels=[{made}/labels.npz]"), "a: has no segment.npy")
