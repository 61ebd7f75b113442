"""Computed features of scenes and their cache; ranges of columns measured on the training scenes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcseg.datasets.cloud_scene import to_scene
from pcseg.errors import InputError
from pcseg.feeding import computed
from pcseg.feeding.computed import compute, measured, with_computed
from pcseg.feeding.dataset import TrainDataset
from pcseg.feeding.features import Features
from pcseg.feeding.samplers import Item
from pcseg.feeding.transforms import BoxCrop
from pcseg.formats.cloud import Cloud
from pcseg.scenes.scene import Scene, read_scene, write_scene
from tests.scenes.rooms import CLASSES, room

SHAPES = Features(["ground_height", {"name": "planarity", "radius": 0.7}, {"name": "normal", "radius": 0.7}])


def folder(root: Path, name: str = "Area_1/a", points: int = 400, **columns: np.ndarray) -> Path:
    scene = room(name, points)
    kept = {key: array for key, array in scene.attributes.items() if key != "normal"}
    return write_scene(root, Scene(scene.coord, {**kept, **columns}, name, classes=CLASSES.names))


def read(path: Path, *columns: str) -> Scene:
    return read_scene(path, CLASSES, with_labels=False, columns=columns)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    calls: list[int] = []
    real = computed.shapes

    def count(coord: np.ndarray, radius: float) -> Mapping[str, np.ndarray]:
        calls.append(len(coord))
        return real(coord, radius)

    monkeypatch.setattr(computed, "shapes", count)
    return calls


def test_the_cache_gives_what_was_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, path = counted(monkeypatch), folder(tmp_path)
    wanted = compute(SHAPES, read(path), 0.1)
    assert set(wanted) == {str(SHAPES.each[0]), "planarity(radius=0.7)", "normal"}
    for _ in range(2):
        found = with_computed(SHAPES, read(path), path, 0.1)
        for name, values in wanted.items():
            assert isinstance(found.attributes[name], np.memmap)
            np.testing.assert_array_equal(found.attributes[name], values)
    assert calls == [400, 400]  # one radius each time, and none of the second from the cache
    assert read(path).columns == ()
    with_computed(Features([{"name": "planarity", "radius": 0.8}]), read(path), path, 0.1)
    assert len(calls) == 3


def test_the_cache_of_other_points_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, path = counted(monkeypatch), folder(tmp_path)
    with_computed(SHAPES, read(path), path, 0.1)
    np.save(path / "coord.npy", np.load(path / "coord.npy")[::-1].copy())
    wanted = compute(SHAPES, read(path), 0.1)
    for damaged in (False, True):
        if damaged:
            for file in (path / "computed").iterdir():
                file.unlink()
                file.write_bytes(b"damaged")
        found = with_computed(SHAPES, read(path), path, 0.1).attributes
        for name, values in wanted.items():
            np.testing.assert_array_equal(found[name], values)
    assert len(calls) == 4


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "computed").write_text("a file where the folder should be")
    found = with_computed(SHAPES, read(path), path, 0.1).attributes
    for name, values in compute(SHAPES, read(path), 0.1).items():
        np.testing.assert_array_equal(found[name], values)


def test_normals_of_a_scan_stay() -> None:
    scene = room("Area_1/a")
    assert "normal" not in compute(SHAPES, scene, 0.1)


def test_strays_change_nothing_about_the_rest() -> None:
    coord = room("Area_1/a", 1000).coord.astype(np.float64)
    strays = np.array([[1e5, 0, 0], [0, 0, -3e4]])
    alone = compute(SHAPES, Scene(coord), 0.1)
    for name, values in compute(SHAPES, Scene(np.concatenate([strays, coord])), 0.1).items():
        np.testing.assert_array_equal(values[2:], alone[name])


def test_a_prepared_scene_and_its_raw_scan_have_the_same_features() -> None:
    rng = np.random.default_rng(0)
    coord = np.round(rng.random((3000, 3)) * [50, 50, 8], 2) + np.array([770500.0, 6277500.0, 20.0])
    scene, _ = to_scene("train/a", "a.las", Cloud(coord), {}, ())
    assert scene.coord.dtype == np.float32
    features = Features([*SHAPES.each, {"name": "verticality", "radius": 2.5}])
    for name, values in compute(features, Scene(coord), 0.5).items():
        np.testing.assert_array_equal(values, compute(features, scene, 0.5)[name])


def test_samples_have_the_features_of_the_whole_scene(tmp_path: Path) -> None:
    path = folder(tmp_path, points=1500)
    data = TrainDataset([path], CLASSES, None, SHAPES, 0.1, crop=BoxCrop(1.0))
    scene = with_computed(SHAPES, read(path), path, 0.1)
    whole = np.column_stack([scene.attributes[feature.attribute] for feature in SHAPES.each])
    rows = {row.tobytes() for row in np.ascontiguousarray(whole, dtype=np.float32)}
    feats = data[Item(0, 3)].feats.numpy()
    assert 10 < len(feats) < 500
    assert all(row.tobytes() in rows for row in feats)


def test_the_range_of_a_column_is_that_of_all_training_scenes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = [rng.gamma(2, 300, 400).astype(np.uint16), rng.gamma(3, 900, 400).astype(np.uint16)]
    values[0][0] = 65535
    echo = np.full(400, 3, dtype=np.uint8)
    holes = np.where(rng.random(400) < 0.5, np.nan, np.linspace(0, 1, 400)).astype(np.float32)
    paths = [folder(tmp_path, f"Area_1/{i}", intensity=v, echo=echo, holes=holes) for i, v in enumerate(values)]
    given: list[Any] = ["height", "intensity", "echo", "holes", {"name": "extra", "range": [1, 2]}]
    with pytest.raises(InputError, match=r"Area_1/0: has no extra, .*the scan has .*intensity"):
        measured(Features(given), paths, CLASSES, 0.1)
    found = {f.name: f.range for f in measured(Features(given[:-1]), paths, CLASSES, 0.1).each}
    assert found["height"] is None
    assert found["intensity"] == pytest.approx(tuple(np.percentile(np.concatenate(values), [1, 99])))
    assert found["echo"] == (2.5, 3.5)
    assert found["holes"] == pytest.approx(tuple(np.nanpercentile([holes, holes], [1, 99])), abs=1e-6)
    fixed = Features([{"name": "intensity", "range": [0, 10]}])
    assert measured(fixed, paths, CLASSES, 0.1) == fixed


def test_ranges_are_measured_without_labels(tmp_path: Path) -> None:
    path = folder(tmp_path, intensity=np.arange(400, dtype=np.uint16))
    wanted = measured(Features(["intensity"]), [path], CLASSES, 0.1)
    (path / "segment.npy").write_bytes(b"poison")
    (path / "instance.npy").write_bytes(b"poison")
    assert measured(Features(["intensity"]), [path], CLASSES, 0.1) == wanted
    assert wanted.each[0].range == pytest.approx((3.99, 395.01))
