"""The two layouts of the label file: without weights, whose hashes must never change, and with weights."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE
from tests.budgets.damage import edited, refused


def fixed(weighted: bool) -> WeakLabels:
    """Labels whose every byte is written out here."""
    weight = np.array([0.5, 1.0, 0.25]) if weighted else None
    scene = SceneLabels("a/b", 9, "0" * 64, np.array([7, 2, 5]), np.array([1, 0, IGNORE]), weight)
    return WeakLabels(("floor", "wall"), "points", {"points": 3}, 4, (scene,))


def test_the_hash_of_labels_without_weights_is_that_of_earlier_versions() -> None:
    meta = (
        b'{"classes": ["floor", "wall"], "format": 1, "parameters": {"points": 3}, "rule": "points", "scenes": '
        b'[{"name": "a/b", "points": 9, "sha256": "' + b"0" * 64 + b'"}], "seed": 4}'
    )
    content = struct.pack("<3q", 2, 5, 7) + struct.pack("<3h", 0, -1, 1)
    assert fixed(weighted=False).sha256 == hashlib.sha256(meta + content).hexdigest()
    content += struct.pack("<3e", 1.0, 0.25, 0.5)
    meta = meta.replace(b'"format": 1', b'"format": 2')
    assert fixed(weighted=True).sha256 == hashlib.sha256(meta + content).hexdigest()


def test_weights_are_kept_and_files_without_them_are_of_format_1(tmp_path: Path) -> None:
    for weighted in (False, True):
        labels = fixed(weighted)
        labels.save(tmp_path / "labels.npz")
        loaded = WeakLabels.load(tmp_path / "labels.npz")
        assert loaded.sha256 == labels.sha256
        with np.load(tmp_path / "labels.npz") as file:
            assert set(file) == {"meta", "sha256", "length", "index", "label"} | ({"weight"} if weighted else set())
            assert json.loads(file["meta"].tobytes())["format"] == 1 + weighted
        weight = loaded.scenes[0].weight
        assert (None if weight is None else (weight.dtype, weight.tolist())) == (
            (np.float16, [1.0, 0.25, 0.5]) if weighted else None
        )


def test_scenes_without_a_label_keep_their_weights(tmp_path: Path) -> None:
    none = SceneLabels("a/c", 9, "0" * 64, np.zeros(0, np.int64), np.zeros(0, np.int16), np.zeros(0))
    for scenes in ((none,), (none, fixed(True).scenes[0]), (fixed(True).scenes[0], none)):
        labels = replace(fixed(True), scenes=scenes)
        labels.save(tmp_path / "labels.npz")
        assert WeakLabels.load(tmp_path / "labels.npz").sha256 == labels.sha256


@pytest.mark.parametrize(
    "weight",
    [
        np.array([1.0, 0.25, 0.25]),
        np.array([1.0, 0.25]),
        np.array([1.0, 0.25, 0.0]),
        np.array([1.0, 0.25, 2.0]),
        np.array([1.0, 0.25, np.nan]),
        np.array([[1.0, 0.25, 0.5]]),
        np.array([1, 1, 1]),
        np.array(["1", "1", "1"]),
        np.array(1.0),
        np.array([{}]),
    ],
)
def test_damaged_weights_are_refused(tmp_path: Path, weight: np.ndarray) -> None:
    path = tmp_path / "labels.npz"
    fixed(weighted=True).save(path)
    edited(path, weight=weight)
    refused(lambda: WeakLabels.load(path), path)


def test_a_file_of_format_2_needs_weights(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    fixed(weighted=False).save(path)
    with np.load(path) as file:
        meta = file["meta"].tobytes()
    edited(path, meta=np.frombuffer(meta.replace(b'"format": 1', b'"format": 2'), dtype=np.uint8))
    assert "weight" in refused(lambda: WeakLabels.load(path), path)
