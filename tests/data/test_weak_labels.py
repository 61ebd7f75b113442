"""The label file: what goes in comes out, what was changed is refused, classes are matched by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.data.draw import draw_points, draw_uniform
from pcseg.data.weak_labels import SceneLabels, WeakLabels
from pcseg.errors import InputError
from pcseg.labels import IGNORE, Classes
from tests.data.rooms import CLASSES, room

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


def test_labels_are_the_truth_where_drawn_and_ignore_elsewhere() -> None:
    labels = drawn()
    for scene, entry in zip(ROOMS, labels.scenes, strict=True):
        assert scene.segment is not None
        known = labels.labels(scene)
        assert np.array_equal(known[entry.index], scene.segment[entry.index])
        assert (np.delete(known, entry.index) == IGNORE).all()
        assert labels.classes_of(scene.name) == set(known.tolist()) - {IGNORE}


def test_counts_are_right_and_printed() -> None:
    labels = drawn()
    known = np.concatenate([labels.labels(scene) for scene in ROOMS])
    assert labels.spent == 70
    assert labels.count == (known != IGNORE).sum() < 70
    assert labels.fraction == labels.count / 700
    counts = labels.counts([scene.name for scene in ROOMS], CLASSES)
    assert np.array_equal(counts.sum(axis=0), np.bincount(known[known != IGNORE], minlength=4))
    text = labels.summary()
    for part in (
        labels.sha256,
        "seed=4",
        "uniform",
        "fraction=0.1",
        f"{labels.count} of 700",
        f"wall {counts[:, 1].sum()}",
    ):
        assert part in text


def test_scenes_and_classes_without_labels_are_named() -> None:
    empty = SceneLabels("Area_1/c", 10, "0" * 64, np.zeros(0, np.int64), np.zeros(0, np.int16))
    labels = WeakLabels(("floor", "board"), "csv", {}, None, (empty,))
    assert (labels.count, labels.fraction) == (0, 0)
    assert "scenes without any label: 1 (Area_1/c)" in labels.summary()
    assert "classes without any label: floor, board" in labels.summary()


def test_classes_in_another_order_are_matched_by_name() -> None:
    labels, turned = drawn(), Classes(CLASSES.names[::-1])
    here, there = labels.labels(ROOMS[0]), labels.labels(replace(ROOMS[0], classes=turned.names))
    assert np.array_equal(there, np.where(here == IGNORE, IGNORE, 3 - here))
    names = [scene.name for scene in ROOMS]
    assert np.array_equal(labels.counts(names, turned), labels.counts(names, CLASSES)[:, ::-1])


def test_the_hash_follows_content_and_not_the_file(tmp_path: Path) -> None:
    labels = drawn()
    scene = labels.scenes[0]
    other = replace(scene, label=np.where(np.arange(len(scene.label)) == 3, 0, scene.label))
    assert replace(labels, scenes=(other, *labels.scenes[1:])).sha256 != labels.sha256
    assert replace(labels, seed=5).sha256 != labels.sha256
    turned = replace(scene, index=scene.index[::-1], label=scene.label[::-1])
    assert replace(labels, scenes=(turned, *labels.scenes[1:])).sha256 == labels.sha256


def test_another_cloud_is_refused() -> None:
    labels = drawn()
    moved = replace(ROOMS[0], coord=ROOMS[0].coord + np.float32(0.001))
    fewer = replace(ROOMS[0], coord=ROOMS[0].coord[:-1])
    for scene, there in ((moved, "400 here"), (fewer, "399 here")):
        with pytest.raises(InputError, match="Area_1/a: these labels belong to another cloud") as error:
            labels.labels(scene)
        assert there in str(error.value)
        assert "draw_labels" in str(error.value)


def test_a_scene_or_class_the_file_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="Area_9/z: the label file does not cover"):
        drawn().labels(room("Area_9/z"))
    with pytest.raises(InputError, match="Area_9/z"):
        drawn().classes_of("Area_9/z")
    for names in (("floor", "wall", "chair"), ("floor", "wall", "seat", "board")):
        with pytest.raises(InputError, match=r"differ in the classes (board|chair, seat);"):
            drawn().labels(replace(ROOMS[0], classes=names))


def damaged(path: Path, how: str) -> None:
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
    damaged(path, how)
    with pytest.raises(InputError, match=r"labels\.npz") as error:
        WeakLabels.load(path)
    assert "\n" not in str(error.value)


def edited(path: Path, **changes: np.ndarray) -> None:
    with np.load(path) as file:
        arrays = dict(file) | changes
    with open(path, "wb") as stream:
        np.savez(stream, **arrays)


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


def test_labels_that_cannot_be_are_refused() -> None:
    good = draw_points(ROOMS[:1], CLASSES, 5).scenes[0]
    with pytest.raises(InputError, match="indices must differ"):
        replace(good, index=np.zeros(5, dtype=np.int64))
    with pytest.raises(InputError, match="4 indices but 5 labels"):
        replace(good, index=np.arange(4))
    with pytest.raises(InputError, match="not among the 1 classes"):
        WeakLabels(("floor",), "points", {}, 0, (replace(good, label=np.full(5, 1, np.int16)),))
