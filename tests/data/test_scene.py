"""Scene folders: written whole, read back equal, wrong ones refused, hidden labels left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pcseg.data.scene import Scene, list_scenes, read_classes, read_scene, recentre, write_scene
from pcseg.errors import InputError
from pcseg.files import read_json, write_json
from pcseg.labels import IGNORE, S3DIS, SCANNET20, Classes

ABC = Classes(("a", "b", "c"))


def scene(points: int = 50, **changes: object) -> Scene:
    rng = np.random.default_rng(0)
    values: dict = {
        "name": "Area_1/office_1",
        "coord": rng.normal(size=(points, 3)).astype(np.float32),
        "color": rng.integers(0, 256, (points, 3)).astype(np.uint8),
        "normal": rng.normal(size=(points, 3)).astype(np.float32),
        "segment": rng.integers(-1, 3, points),
        "instance": rng.integers(-1, 9, points),
        "superpoint": rng.integers(0, 9, points),
        "origin": np.array([500000.25, 4500000.5, 100.0]),
        "classes": ABC.names,
    }
    return Scene(**{**values, **changes})


def assert_equal(a: Scene, b: Scene) -> None:
    for name in ("coord", "color", "normal", "segment", "instance", "superpoint", "origin"):
        left, right = getattr(a, name), getattr(b, name)
        assert (left is None) == (right is None), name
        if left is not None:
            np.testing.assert_array_equal(left, right, err_msg=name)


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
    assert found.segment.dtype == np.int64
    assert read_json(folder / "scene.json")["defects"] == ["odd"]


def test_only_coordinates_need_be_there(tmp_path: Path) -> None:
    bare = Scene("train/s", np.zeros((3, 3), np.float32))
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


@pytest.mark.parametrize(
    ("name", "array", "found"),
    [
        ("coord", np.zeros((0, 3), np.float32), "no point"),
        ("coord", np.array([[0, 0, 0], [0, np.nan, 0]], np.float32), "point 1 is"),
        ("coord", np.array([[0, np.inf, 0]], np.float32), "point 0 is"),
        ("coord", np.zeros((3, 2), np.float32), r"shape \(3, 2\)"),
        ("coord", np.array(["a", "b"]), "not an array of numbers"),
        ("color", np.full((50, 3), 300.0, np.float32), "from 300 to 300"),
        ("color", np.full((50, 3), np.nan, np.float32), "from nan"),
        ("color", np.zeros((49, 3), np.uint8), "shape"),
        ("normal", np.zeros((51, 3), np.float32), "shape"),
        ("segment", np.zeros(49, np.int16), "49 values for 50 points"),
        ("segment", np.full(50, np.nan), "fractions or NaN"),
    ],
)
def test_malformed_arrays(tmp_path: Path, name: str, array: np.ndarray, found: str) -> None:
    folder = write_scene(tmp_path, scene())
    np.save(folder / f"{name}.npy", array)
    with pytest.raises(InputError, match=found) as caught:
        read_scene(folder, ABC, with_labels=True)
    assert "\n" not in str(caught.value)
    assert f"{name}.npy" in str(caught.value)


def test_pickles_and_cut_files_are_refused(tmp_path: Path) -> None:
    folder = write_scene(tmp_path, scene())
    whole = (folder / "coord.npy").read_bytes()
    np.save(folder / "coord.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"coord\.npy: not a readable"):
        read_scene(folder, ABC, with_labels=False)
    for cut in (0, 5, 60, len(whole) - 1):
        (folder / "coord.npy").write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"coord\.npy: not a readable"):
            read_scene(folder, ABC, with_labels=False)


@pytest.mark.parametrize("text", ["[]", '{"origin": [1, 2]}', '{"origin": "here"}', '{"classes": 3}', "{"])
def test_malformed_scene_json(tmp_path: Path, text: str) -> None:
    folder = write_scene(tmp_path, scene())
    (folder / "scene.json").write_text(text)
    with pytest.raises(InputError, match=r"scene\.json"):
        read_scene(folder, ABC, with_labels=True)


def test_labels_that_do_not_fit_on_disk_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="segment runs from 0 to 40000"):
        write_scene(tmp_path, scene(2, segment=np.array([0, 40000])))
    assert list(tmp_path.rglob("*.npy")) == []


def pointcept(root: Path, split: str, name: str, **files: np.ndarray) -> Path:
    folder = root / split / name
    folder.mkdir(parents=True)
    for stem, array in files.items():
        np.save(folder / f"{stem}.npy", array)
    return folder


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


@given(
    arrays.arrays(np.float64, (5, 3), elements=st.floats(-100, 100)),
    arrays.arrays(np.float64, 3, elements=st.floats(-1e7, 1e7)),
)
def test_recentring_loses_less_than_a_tenth_of_a_millimetre(coord: np.ndarray, shift: np.ndarray) -> None:
    near, origin = recentre(coord + shift)
    assert near.dtype == np.float32
    np.testing.assert_allclose(near + origin, coord + shift, rtol=0, atol=1e-4)
    if np.abs(coord + shift).max() <= 1000:
        assert not origin.any()


def test_list_scenes(tmp_path: Path) -> None:
    for name in ("Area_1/b", "Area_1/a", "Area_2/c"):
        write_scene(tmp_path, scene(name=name))
    (tmp_path / "Area_1" / ".a.12345678.tmp").mkdir()
    np.save(tmp_path / "Area_1" / ".a.12345678.tmp" / "coord.npy", np.zeros((1, 3)))
    found = list_scenes(tmp_path, ["Area_2", "Area_1"])
    assert [str(p.relative_to(tmp_path)) for p in found] == ["Area_2/c", "Area_1/a", "Area_1/b"]
    with pytest.raises(InputError, match=r"Area_7: no scene folder here \(found in .*: Area_1, Area_2\)"):
        list_scenes(tmp_path, ["Area_7"])
    with pytest.raises(InputError, match="no such folder"):
        list_scenes(tmp_path / "nowhere", ["Area_1"])


def test_read_classes(tmp_path: Path) -> None:
    write_json(tmp_path / "dataset.json", {"classes": ["a", "b"], "colors": [[1, 2, 3], [4, 5, 6]]})
    assert read_classes(tmp_path) == Classes(("a", "b"), ((1, 2, 3), (4, 5, 6)))
    write_json(tmp_path / "dataset.json", {"classes": ["a", "b"]})
    with pytest.raises(InputError, match="no class list"):
        read_classes(tmp_path)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no coord\.npy here"):
        read_scene(tmp_path, ABC, with_labels=False)
