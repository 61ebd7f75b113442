"""The label file: it gives back what was saved, and damaged or changed files are refused in one line."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from pcseg import archives
from pcseg.budgets.draw import draw_points, draw_uniform
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.errors import InputError
from tests.budgets.damage import damaged, edited, read_or_refused, refused
from tests.scenes.rooms import CLASSES, room

ROOMS = [room("Area_1/a", 400), room("Area_1/b", 300, (0, 3))]


def drawn() -> WeakLabels:
    return draw_uniform(ROOMS, CLASSES, 0.1, seed=4)


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    labels = drawn()
    labels.save(tmp_path / "deep" / "labels.npz")
    loaded = WeakLabels.load(tmp_path / "deep" / "labels.npz")
    assert loaded.sha256 == labels.sha256
    assert loaded.summary() == labels.summary()
    assert (loaded.rule, loaded.parameters, loaded.seed) == ("uniform", {"fraction": 0.1}, 4)
    for scene in ROOMS:
        assert np.array_equal(loaded.labels(scene), labels.labels(scene))


def spoil(path: Path, how: str) -> None:
    raw = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(raw[: len(raw) // 2])
    elif how == "text":
        path.write_text("scene,index,class\n")
    elif how == "flipped":
        path.write_bytes(raw[:200] + bytes([raw[200] ^ 0xFF]) + raw[201:])
    elif how == "array":
        with open(path, "wb") as stream:
            np.save(stream, np.arange(3))
    elif how == "other":
        with open(path, "wb") as stream:
            np.savez(stream, a=np.arange(3))
    elif how == "pickle":
        with open(path, "wb") as stream:
            np.savez(stream, **{n: np.array([{}]) for n in ("meta", "sha256", "length", "index", "label")})


@pytest.mark.parametrize("how", ["empty", "truncated", "text", "flipped", "array", "other", "pickle"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, how: str) -> None:
    path = tmp_path / "labels.npz"
    drawn().save(path)
    spoil(path, how)
    refused(lambda: WeakLabels.load(path), path)


def test_an_edited_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    drawn().save(path)
    with np.load(path) as file:
        label, index, meta = file["label"].copy(), file["index"].copy(), file["meta"].tobytes()
    label[0] = (label[0] + 1) % 4
    edited(path, label=label)
    with pytest.raises(InputError, match="does not match its hash"):
        WeakLabels.load(path)
    index[0] = 10**6
    edited(path, index=index)
    with pytest.raises(InputError, match="indices must differ"):
        WeakLabels.load(path)
    edited(path, meta=np.frombuffer(meta.replace(b'"format": 1', b'"format": 9'), dtype=np.uint8))
    with pytest.raises(InputError, match="format 9"):
        WeakLabels.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="draw_labels"):
        WeakLabels.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"classes": None}, "TypeError"),
        ({"classes": [1, 2]}, "is no name"),
        ({"classes": []}, "the list is empty"),
        ({"classes": ["a", "a", "b", "c"]}, "listed twice"),
        ({"classes": ["floor"]}, "a label is not among the 1 classes"),
        ({"rule": 7}, "rule, parameters or seed"),
        ({"parameters": []}, "rule, parameters or seed"),
        ({"seed": "0"}, "rule, parameters or seed"),
        ({"scenes": None}, "TypeError"),
        ({"scenes": []}, "ValueError"),
        ({"scenes": [7, 7]}, "TypeError"),
        ({"scenes": [{}, {}]}, "KeyError"),
        ({"scenes": [{"name": n, "points": 1e3, "sha256": ""} for n in "ab"]}, "TypeError"),
        ({"scenes": [{"name": n, "points": -5, "sha256": ""} for n in "ab"]}, "of another type"),
        ({"scenes": [{"name": n, "points": 5, "sha256": ""} for n in "ab"]}, "indices must differ and lie in 0 to 4"),
        ({"scenes": [{"name": [], "points": 500, "sha256": ""}] * 2}, "of another type"),
        ({"scenes": [{"name": "a", "points": 500, "sha256": ""}] * 2}, "a scene is listed twice"),
        ({"format": [[]]}, "is of format [[]]"),
        ({"format": "x" * 10**5}, "is of format xxx"),
        ({"parameters": {"x": float("nan")}}, "NaN where a finite number"),
        ({"parameters": {"a": 1}}, "does not match its hash"),
    ],
)
def test_a_damaged_description_is_refused(tmp_path: Path, changes: dict[str, object], named: str) -> None:
    path = tmp_path / "labels.npz"
    drawn().save(path)
    with np.load(path) as file:
        meta = json.loads(file["meta"].tobytes())
    edited(path, meta=np.frombuffer(json.dumps({**meta, **changes}).encode(), dtype=np.uint8))
    assert named in refused(lambda: WeakLabels.load(path), path)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"7", b"null", b"{}", b"\xff", b"[" * 10**5, b'{"format": 1}', b"9" * 5000]
)
def test_another_description_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "labels.npz"
    drawn().save(path)
    edited(path, meta=np.frombuffer(text, dtype=np.uint8))
    refused(lambda: WeakLabels.load(path), path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("length", np.array([35.0, 35.0])),
        ("length", np.array([2**62, 2**62, 2**62, 2**62])),
        ("length", np.array([71, -1])),
        ("length", np.array([[35, 35]])),
        ("length", np.zeros(0, dtype=np.int64)),
        ("length", np.array(70)),
        ("index", np.arange(70.0)),
        ("index", np.arange(69)),
        ("index", np.arange(70, dtype=np.uint64) + np.uint64(2**63)),
        ("index", np.arange(140).reshape(70, 2)),
        ("index", np.array(["1"] * 70)),
        ("index", np.array(5)),
        ("label", np.zeros(70)),
        ("label", np.full(70, 65536)),
        ("label", np.full(70, -2)),
        ("label", np.full(70, 2**63, dtype=np.uint64)),
        ("label", np.zeros(70, dtype=[("a", "<i2")])),
        ("sha256", np.array([], dtype=np.uint8)),
        ("sha256", np.array([255], dtype=np.uint8)),
        ("sha256", np.array(["a"])),
        ("meta", np.array([1.5])),
    ],
)
def test_damaged_arrays_are_refused(tmp_path: Path, name: str, value: np.ndarray) -> None:
    path = tmp_path / "labels.npz"
    drawn().save(path)
    edited(path, **{name: value})
    refused(lambda: WeakLabels.load(path), path)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.npz"
    drawn().save(path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["index"] = np.zeros(2**22, dtype=np.int64)
    with open(path, "wb") as stream:
        np.savez_compressed(stream, **arrays)
    monkeypatch.setattr(archives.read_npz, "__defaults__", (2**20,))
    assert "it unpacks to 33," in refused(lambda: WeakLabels.load(path), path)


def test_an_unreadable_file_does_not_replace_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.npz"
    drawn().save(path)
    before = path.read_bytes()

    def faulty(stream: IO[bytes], **arrays: np.ndarray) -> None:
        np.savez(stream, **{**arrays, "label": np.zeros_like(arrays["label"])})

    monkeypatch.setattr(np, "savez_compressed", faulty)
    with pytest.raises(InputError, match=r"could not be read back .*does not match its hash"):
        draw_points(ROOMS, CLASSES, 9).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    draw = random.Random(3)
    stored, packed = tmp_path / "stored.npz", tmp_path / "packed.npz"
    drawn().save(packed)
    with np.load(packed) as file, open(stored, "wb") as stream:
        np.savez(stream, **dict(file))
    pieces = [b"\xff\xff\xff\xff", bytes(4), b"\xff\xff\xff\x7f"]
    for i in range(400):
        path = tmp_path / "labels.npz"
        path.write_bytes(damaged((stored if i % 2 else packed).read_bytes(), draw, pieces))
        started = time.process_time()
        found = read_or_refused(path, lambda path=path: WeakLabels.load(path))
        assert found is None or found.sha256 == drawn().sha256
        assert time.process_time() - started < 5
