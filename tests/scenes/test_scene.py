"""Scene folders: written whole, read back equal; label files are opened only when labels are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE, S3DIS, SCANNET20, Classes
from pcseg.errors import InputError
from pcseg.files import read_json
from pcseg.scenes.scene import Scene, read_scene, write_scene
from tests.scenes.random_scene import ABC, assert_equal, pointcept, scene


def test_written_and_read_back(tmp_path: Path) -> None:
    wanted = scene()
    folder = write_scene(tmp_path, wanted, source="here", defects=["odd"])
    found = read_scene(folder, ABC, with_labels=True)
    assert_equal(found, wanted)
    assert found.name == wanted.name
    assert found.digest() == wanted.digest()
    assert isinstance(found.coord, np.memmap)
    assert isinstance(found.color, np.memmap)
    assert found.segment is not None
    assert found.segment.dtype == np.int16
    assert read_json(folder / "scene.json")["defects"] == ["odd"]


def test_coordinates_alone_make_a_scene(tmp_path: Path) -> None:
    bare = Scene(np.zeros((3, 3), np.float32), name="train/s")
    found = read_scene(write_scene(tmp_path, bare), ABC, with_labels=True)
    assert_equal(found, bare)


def test_labels_are_matched_by_name(tmp_path: Path) -> None:
    folder = write_scene(tmp_path, scene(3, segment=np.array([0, 1, 2])))
    found = read_scene(folder, Classes(("c", "x", "a")), with_labels=True).segment
    assert found is not None
    assert found.tolist() == [2, IGNORE, 0]
    with pytest.raises(InputError, match=r"scene\.json: none of the classes a, b, c"):
        read_scene(folder, Classes(("x", "y")), with_labels=True)


def test_all_ignore_and_one_label(tmp_path: Path) -> None:
    for segment in ([-1, -1, -1], [-1, 2, -1]):
        folder = write_scene(tmp_path, scene(3, segment=np.array(segment)))
        found = read_scene(folder, ABC, with_labels=True).segment
        assert found is not None
        assert found.tolist() == segment


def test_without_labels_the_label_files_are_not_opened(tmp_path: Path) -> None:
    folder = write_scene(tmp_path, scene())
    for name in ("segment", "instance"):
        (folder / f"{name}.npy").write_bytes(b"poison")
    found = read_scene(folder, ABC, with_labels=False)
    assert found.segment is None
    assert found.instance is None
    assert found.superpoint is not None
    with pytest.raises(InputError, match=r"segment\.npy: not a readable"):
        read_scene(folder, ABC, with_labels=True)


@pytest.mark.parametrize("label", [3, -2, 255])
def test_labels_out_of_range(tmp_path: Path, label: int) -> None:
    folder = write_scene(tmp_path, scene(3, segment=np.array([0, label, 1])))
    with pytest.raises(InputError, match=f"label {label} at point 1, but there are 3 classes"):
        read_scene(folder, ABC, with_labels=True)


def test_labels_that_do_not_fit_on_disk_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="segment runs from 0 to 40000"):
        write_scene(tmp_path, scene(2, segment=np.array([0, 40000])))
    assert list(tmp_path.rglob("*.npy")) == []


def test_pointcept_s3dis_layout(tmp_path: Path) -> None:
    coord = np.arange(12, dtype=np.float32).reshape(4, 3)
    segment = np.array([[0], [12], [-1], [7]], np.int16)
    folder = pointcept(tmp_path, "Area_5", "office_1", coord=coord, color=np.full((4, 3), 0.5), segment=segment)
    found = read_scene(folder, S3DIS, with_labels=True)
    assert found.segment is not None
    assert found.segment.tolist() == [0, 12, -1, 7]
    assert found.color is not None
    assert found.color.tolist() == [[128] * 3] * 4  # 0.5 of 255, rounded
    assert found.name == "Area_5/office_1"


def test_pointcept_scannet_layout_takes_the_labels_of_the_class_count(tmp_path: Path) -> None:
    folder = pointcept(
        tmp_path, "train", "scene0000_00",
        coord=np.zeros((2, 3), np.float32), segment20=np.array([19, -1]), segment200=np.array([150, -1]),
    )  # fmt: skip
    found = read_scene(folder, SCANNET20, with_labels=True)
    assert found.segment is not None
    assert found.segment.tolist() == [19, -1]
    with pytest.raises(InputError, match=r"segment20\.npy: labels of other classes"):
        read_scene(folder, S3DIS, with_labels=True)


def test_float64_coordinates_far_away_keep_their_precision(tmp_path: Path) -> None:
    coord = np.array([[500000.001, 4500000.002, 10.003], [500001.0, 4500002.0, 12.0]])
    folder = pointcept(tmp_path, "train", "tile", coord=coord)
    found = read_scene(folder, ABC, with_labels=True)
    np.testing.assert_allclose(found.coord + found.origin, coord, rtol=0, atol=1e-6)


def test_strays_do_not_reduce_the_precision_of_float64_coordinates(tmp_path: Path) -> None:
    coord = np.random.default_rng(0).random((100, 3)) + np.array([500000, 4500000, 10])
    folder = pointcept(tmp_path, "train", "tile", coord=np.concatenate([coord, [[0, 0, -1e9]]]))
    found = read_scene(folder, ABC, with_labels=True)
    np.testing.assert_allclose(found.coord[:100] + found.origin, coord, rtol=0, atol=1e-6)
    assert found.precision[0] < 1e-6 < found.precision[1]


@pytest.mark.parametrize(
    ("color", "byte"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 1.0, 255.0], [0, 1, 255]), ([7.4, 99.5, 254.6], [7, 100, 255])],
)
def test_ranges_of_colors(tmp_path: Path, color: list[float], byte: list[int]) -> None:
    folder = pointcept(tmp_path, "train", "s", coord=np.zeros((4, 3), np.float32), color=np.array([color] * 4))
    found = read_scene(folder, ABC, with_labels=False).color
    assert found is not None
    assert found.tolist() == [byte] * 4


def test_a_scene_that_reads_back_differently_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scene(tmp_path, scene())
    before = (tmp_path / "Area_1/office_1/coord.npy").read_bytes()
    save = np.save
    monkeypatch.setattr(np, "save", lambda path, array: save(path, np.zeros_like(array)))
    with pytest.raises(InputError, match=r"color\.npy: holds other values than were written"):
        write_scene(tmp_path, scene(20))
    assert (tmp_path / "Area_1/office_1/coord.npy").read_bytes() == before
    assert [p.name for p in (tmp_path / "Area_1").iterdir()] == ["office_1"]
