"""Scene folders: written whole, read back equal, wrong ones refused, hidden labels left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE, S3DIS, SCANNET20, Classes
from pcseg.errors import InputError
from pcseg.files import read_json, write_json
from pcseg.scenes.scene import Scene, list_scenes, read_classes, read_scene, scene_classes, write_scene

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
    } | changes
    own = {key: values.pop(key) for key in list(values) if key not in ("name", "coord", "origin", "classes")}
    return Scene(**values, attributes={key: array for key, array in own.items() if array is not None})


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
    assert found.segment.dtype == np.int16
    assert read_json(folder / "scene.json")["defects"] == ["odd"]


def test_only_coordinates_need_be_there(tmp_path: Path) -> None:
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
        ("segment", np.zeros((25, 2), np.int16), "50 values for 50 points"),
        ("coord", np.full((50, 3), 1e30, np.float32), "point 0 is"),
        ("coord", np.full((50, 3), 1e300), "point 0 is"),
        ("coord", np.zeros(50, [("x", "f4"), ("y", "f4"), ("z", "f4")]), "not an array of numbers"),
        ("coord", np.zeros((50, 3), np.complex64), "not an array of numbers"),
        ("instance", np.full(50, 2**63, np.uint64), "more than 63 bits"),
        ("instance", np.full(50, 2.0**63), "more than 63 bits"),
        ("instance", np.full(50, 1e300), "more than 63 bits"),
        ("superpoint", np.full(50, np.inf), "more than 63 bits"),
        ("color", np.concatenate([[[200.0, 0, 0]], np.full((49, 3), 0.25)]), "1 points are above 1"),
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


def test_strays_in_float64_coordinates_do_not_cost_the_others_their_precision(tmp_path: Path) -> None:
    coord = np.random.default_rng(0).random((100, 3)) + np.array([500000, 4500000, 10])
    folder = pointcept(tmp_path, "train", "tile", coord=np.concatenate([coord, [[0, 0, -1e9]]]))
    found = read_scene(folder, ABC, with_labels=True)
    np.testing.assert_allclose(found.coord[:100] + found.origin, coord, rtol=0, atol=1e-6)
    assert found.precision[0] < 1e-6 < found.precision[1]


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


@pytest.mark.parametrize(
    ("color", "byte"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 1.0, 255.0], [0, 1, 255]), ([7.4, 99.5, 254.6], [7, 100, 255])],
)
def test_ranges_of_colors(tmp_path: Path, color: list[float], byte: list[int]) -> None:
    folder = pointcept(tmp_path, "train", "s", coord=np.zeros((4, 3), np.float32), color=np.array([color] * 4))
    found = read_scene(folder, ABC, with_labels=False).color
    assert found is not None
    assert found.tolist() == [byte] * 4


def test_codes_of_classes(tmp_path: Path) -> None:
    meta = {"classes": ["a", "b"], "colors": [[1, 2, 3], [4, 5, 6]], "codes": [[2], [5, 4]]}
    write_json(tmp_path / "dataset.json", meta)
    assert read_classes(tmp_path) == Classes(("a", "b"), ((1, 2, 3), (4, 5, 6)), ((2,), (5, 4)))
    assert scene_classes(tmp_path / "train/s").codes == ((2,), (5, 4))


@pytest.mark.parametrize(
    "text",
    [
        '{"classes": ["a"], "colors": [[1e999, 0, 0]]}',
        '{"classes": ["a"], "colors": [[1, 0]]}',
        '{"classes": ["a"], "colors": [[1.5, 0, 0]]}',
        '{"classes": ["a"], "colors": [[256, 0, 0]]}',
        '{"classes": ["a"], "colors": 5}',
        '{"classes": [1], "colors": [[1, 0, 0]]}',
        '{"classes": "abc", "colors": [[1, 0, 0]]}',
        '{"classes": ["a", "a"], "colors": [[1, 0, 0], [1, 0, 0]]}',
        '{"classes": ["\\ud800"], "colors": [[1, 0, 0]]}',
        '{"classes": ["a"], "colors": [[1, 0, 0]], "codes": 5}',
        '{"classes": ["a"], "colors": [[1, 0, 0]], "codes": [["x"]]}',
        '{"classes": ["a"], "colors": [[1, 0, 0]], "codes": [[true]]}',
        "[]", "5", "null", "", "{", "[" * 100_000, '"\\u00', "\x00",
    ],
)  # fmt: skip
def test_malformed_dataset_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match=r"dataset\.json") as caught:
        read_classes(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_linked_scene_finds_the_classes_of_both_its_places(tmp_path: Path) -> None:
    write_scene(tmp_path / "disk", scene(name="train/s", classes=()))
    (tmp_path / "here/train").mkdir(parents=True)
    link = tmp_path / "here/train/s"
    link.symlink_to(tmp_path / "disk/train/s")
    with pytest.raises(InputError, match="does not name its classes"):
        scene_classes(link)
    for root, names in (("disk", ["a"]), ("here", ["b"])):  # the nearer one counts
        write_json(tmp_path / root / "dataset.json", {"classes": names, "colors": [[1, 2, 3]]})
        assert scene_classes(link).names == tuple(names)
    assert [p.name for p in list_scenes(tmp_path / "here", ["train"])] == ["s"]


def test_no_scene_of_a_split_is_left_out_in_silence(tmp_path: Path) -> None:
    for name in ("train/a", "train/b"):
        write_scene(tmp_path, scene(name=name))
    (tmp_path / "train/notes.txt").write_text("no scene, and none that was lost")
    (tmp_path / "linked").symlink_to(tmp_path / "train")
    assert [str(p.relative_to(tmp_path)) for p in list_scenes(tmp_path, ["linked"])] == ["linked/a", "linked/b"]
    (tmp_path / "train/c").symlink_to("/nowhere/c")
    with pytest.raises(InputError, match=r"train/c: a link to /nowhere/c, which is not there"):
        list_scenes(tmp_path, ["train"])
    (tmp_path / "train/c").unlink()
    (tmp_path / "train/b/coord.npy").unlink()
    with pytest.raises(InputError, match=r"train/b: arrays of a scene, but no coord\.npy"):
        list_scenes(tmp_path, ["train"])


def test_what_is_not_read_back_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scene(tmp_path, scene())
    before = (tmp_path / "Area_1/office_1/coord.npy").read_bytes()
    save = np.save
    monkeypatch.setattr(np, "save", lambda path, array: save(path, np.zeros_like(array)))
    with pytest.raises(InputError, match=r"coord\.npy: holds other values than were written"):
        write_scene(tmp_path, scene(20))
    assert (tmp_path / "Area_1/office_1/coord.npy").read_bytes() == before
    assert [p.name for p in (tmp_path / "Area_1").iterdir()] == ["office_1"]


@pytest.mark.parametrize("name", ["coord", "color", "segment", "instance", "scene.json", "dataset.json"])
def test_no_damage_breaks_it(tmp_path: Path, name: str) -> None:
    """Bytes changed, dropped, doubled and cut, most in the first 200, where the headers are."""
    folder = write_scene(tmp_path, scene())
    write_json(tmp_path / "dataset.json", {"classes": list(ABC.names), "colors": [list(c) for c in ABC.colors]})
    file = tmp_path / name if name == "dataset.json" else folder / (name if "." in name else f"{name}.npy")
    whole = file.read_bytes()
    rng = np.random.default_rng(list(name.encode()))
    refused = []
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(min(len(content), 200)))
            byte = bytes([int(rng.integers(256)) if rng.random() < 0.5 else ord(rng.choice(list("'{[(:,0-\\b\n e<|")))])
            content[at : at + int(rng.integers(3))] = byte * int(rng.integers(1, 3))
        file.write_bytes(content[: rng.integers(1, len(content))] if rng.random() < 0.1 else content)
        try:
            read_scene(folder, scene_classes(folder), with_labels=True)
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert all(str(tmp_path) in text and "\n" not in text for text in refused)


@pytest.mark.parametrize("header", [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), ",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (10**9, 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000000000, 3)}",
    "(" * 3000, "-" * 5000 + "1", "'\\N{no}'",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3.5)}",
    "{'descr': ['a', 5], 'fortran_order': False, 'shape': (3, 3)}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3, 3)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 3)}",
    "1" * 5000, "{'descr': '|V0', 'fortran_order': 0, 'shape': ()}",
])  # fmt: skip
def test_no_header_breaks_it(tmp_path: Path, header: str) -> None:
    folder = write_scene(tmp_path, scene())
    text = header.encode() + b"\n"
    for version in (b"\1\0", b"\2\0", b"\3\0"):
        length = len(text).to_bytes(2 if version == b"\1\0" else 4, "little")
        (folder / "coord.npy").write_bytes(b"\x93NUMPY" + version + length + text + bytes(36))
        with pytest.raises(InputError, match=r"coord\.npy") as caught:
            read_scene(folder, ABC, with_labels=False)
        assert "\n" not in str(caught.value)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no coord\.npy here"):
        read_scene(tmp_path, ABC, with_labels=False)
