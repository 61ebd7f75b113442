"""A user's own scans with a classes.yaml: what the labels mean, and every way to get that wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.datasets import open_folder, read_class_file
from pcseg.datasets.class_file import ClassFile
from pcseg.datasets.folder import _instance
from pcseg.errors import InputError
from pcseg.formats import write_cloud
from pcseg.formats.cloud import Cloud

NAMES = "names: [ground, tree, house]\n"
COORD = np.array([[500000.125, 4500000, 10], [500001, 4500001, 11], [500002, 4500002, 12]])


def labeled(path: Path, labels: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_cloud(path, COORD, labels=np.array(labels))


@pytest.mark.parametrize("suffix", [".ply", ".las", ".laz", ".pcd", ".npy", ".npz", ".xyz", ".csv"])
def test_any_format(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    labeled(tmp_path / f"a{suffix}", [2, -1, 0])
    reader = open_folder(str(tmp_path))
    assert reader.scenes() == ["train/a"]
    scene, defects = reader.read("train/a")
    assert defects == []
    assert scene.segment is not None
    assert scene.segment.tolist() == [2, IGNORE, 0]
    assert scene.classes == ("ground", "tree", "house")
    np.testing.assert_allclose(scene.coord + scene.origin, COORD, rtol=0, atol=1e-6)


def test_splits_and_scene_names(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    for name in ("train/a.ply", "val/a.las", "train/north/b.ply", "c.xyz", ".hidden/d.ply", "val/.e.ply"):
        labeled(tmp_path / name, [0, 1, 2])
    assert open_folder(str(tmp_path)).scenes() == ["train/a", "train/c", "train/north_b", "val/a"]
    labeled(tmp_path / "train/a.las", [0, 1, 2])
    with pytest.raises(InputError, match=r"a\.ply: its scene would have the same name as that of .*a\.las"):
        open_folder(str(tmp_path)).scenes()


def test_ids_ignore_and_label_column(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(
        NAMES + "label: kind\nids: {2: ground, 5: tree, 4: tree, 6: house}\nignore: [0, 1]\n"
        "columns: [x, y, z, kind]\nscale: 0.001\ncolors: [[1, 2, 3], [4, 5, 6], [7, 8, 9]]\n"
    )
    (tmp_path / "a.txt").write_text(
        "".join(f"{1000 * i} 0 0 {k}\n" for i, k in enumerate([2, 5, 4, 6, 0, 1, "nan", -1]))
    )
    reader = open_folder(str(tmp_path))
    scene, _ = reader.read("train/a")
    assert scene.segment is not None
    assert scene.segment.tolist() == [0, 1, 1, 2, IGNORE, IGNORE, IGNORE, IGNORE]
    assert scene.coord[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert reader.classes.colors == ((1, 2, 3), (4, 5, 6), (7, 8, 9))


def test_instances(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES + "instance: tree_id\n")
    (tmp_path / "a.csv").write_text("x,y,z,label,tree_id\n0,0,0,1,7\n1,1,1,0,nan\n")
    scene, _ = open_folder(str(tmp_path)).read("train/a")
    assert scene.instance is not None
    assert scene.instance.tolist() == [7, -1]
    (tmp_path / "a.csv").write_text("x,y,z,label\n0,0,0,1\n1,1,1,0\n")
    with pytest.raises(InputError, match="no 'tree_id' in it, only label"):
        open_folder(str(tmp_path)).read("train/a")


def test_points_without_coordinates_are_dropped_and_reported(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    (tmp_path / "a.txt").write_text("0 0 0 0\nnan 0 0 1\n1 inf 1 1\n2 2 2 2\n")
    scene, defects = open_folder(str(tmp_path)).read("train/a")
    assert scene.segment is not None
    assert scene.segment.tolist() == [0, 2]
    assert any("2 of 4 points have NaN or infinite coordinates (first: point 1)" in str(d) for d in defects)


@pytest.mark.parametrize("lines", ["0 0 0 0\n", "nan 0 0 0\nnan 0 0 1\n", "nan 0 0 0\n1 1 1 1\n"])
def test_fewer_than_two_points(tmp_path: Path, lines: str) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    (tmp_path / "a.txt").write_text(lines)
    with pytest.raises(InputError, match=r"a\.txt: \d points, of which \d have finite coordinates"):
        open_folder(str(tmp_path)).read("train/a")


def test_labels_that_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    for labels, told in (([0, 3, 3], r"label 3 \(2 points, first is 1\)"), ([0, 1, 255], "label 255")):
        labeled(tmp_path / "a.ply", labels)
        with pytest.raises(InputError, match=f"{told}.*add it to classes.yaml under ids: or ignore:"):
            open_folder(str(tmp_path)).read("train/a")
    (tmp_path / "a.ply").unlink()
    (tmp_path / "a.txt").write_text("x y z label\n0 0 0 0.5\n1 1 1 1\n")
    with pytest.raises(InputError, match=r"label 0\.5"):
        open_folder(str(tmp_path)).read("train/a")


def test_unlabeled_scans(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    write_cloud(tmp_path / "a.ply", COORD)
    scene, defects = open_folder(str(tmp_path)).read("train/a")
    assert scene.segment is None
    assert "name the column under label:" in str(defects[0])
    (tmp_path / "classes.yaml").write_text(NAMES + "label: kind\n")
    with pytest.raises(InputError, match="no 'kind' in it"):
        open_folder(str(tmp_path)).read("train/a")


@pytest.mark.parametrize("suffix", [".txt", ".npy"])
def test_columns_without_names(tmp_path: Path, suffix: str) -> None:
    rows = np.array([[0.0, 0, 0, 1, 7], [1, 1, 1, 2, 8]])
    if suffix == ".npy":
        np.save(tmp_path / "a.npy", rows)
    else:
        np.savetxt(tmp_path / "a.txt", rows)
    for keys, name in (("label: kind", "kind"), ("instance: tree_id", "tree_id")):
        (tmp_path / "classes.yaml").write_text(f"{NAMES}{keys}\n")
        with pytest.raises(
            InputError, match=rf"its columns have no names.*'{name}'.*first line.*columns: in classes"
        ) as e:
            open_folder(str(tmp_path)).read("train/a")
        assert "\n" not in str(e.value)
    (tmp_path / "classes.yaml").write_text(NAMES)
    _, defects = open_folder(str(tmp_path)).read("train/a")
    assert "name the column under columns: in classes.yaml" in str(defects[0])
    (tmp_path / "classes.yaml").write_text(NAMES + "label: kind\ncolumns: [x, y, z, kind, tree_id]\n")
    scene, _ = open_folder(str(tmp_path)).read("train/a")
    assert scene.segment is not None
    assert scene.segment.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("label: kind\n", "names: missing"),
        (NAMES + "palette: []\n", "palette: unknown key"),
        ("names: ground\n", "list of names"),
        ("names: [1, 2]\n", "list of names"),
        ("names: []\n", "empty"),
        ("names: [a, a]\n", "listed twice"),
        (NAMES + "ids: {2: grund}\n", "'grund' is not one of: ground, tree, house"),
        (NAMES + "ids: [ground]\n", "table of number: name"),
        (NAMES + "ids: {'2': ground}\n", "table of number: name"),
        (NAMES + "ignore: 0\n", "list of whole numbers"),
        (NAMES + "colors: [[1, 2, 3]]\n", "3 names but 1 colors"),
        (NAMES + "colors: [[1, 2, 300], [0, 0, 0], [0, 0, 0]]\n", "from 0 to 255"),
        (NAMES + "scale: big\n", "big"),
        (NAMES + "scale: 0\n", "must be positive"),
        ("names: [ground\n", "not a readable YAML"),
        ("", "no keys"),
    ],
)
def test_wrong_class_files(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "classes.yaml").write_text(text)
    with pytest.raises(InputError, match=told) as caught:
        read_class_file(tmp_path / "classes.yaml")
    assert str(tmp_path / "classes.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bare_list_of_names_will_do(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text("- ground\n- tree\n")
    assert read_class_file(tmp_path / "classes.yaml") == ClassFile(("ground", "tree"))


def test_missing_things(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_folder(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"classes\.yaml: no such file; write one"):
        open_folder(str(tmp_path))
    (tmp_path / "classes.yaml").write_text(NAMES)
    with pytest.raises(InputError, match="no point file here"):
        open_folder(str(tmp_path)).scenes()


@pytest.mark.parametrize("labels", [[-1, -1, -1], [-1, 1, -1]])
def test_all_ignore_and_one_label(labels: list[int]) -> None:
    meaning = ClassFile(("a", "b"))
    assert meaning.segment(np.array(labels), "here").tolist() == labels
    nan = np.where(np.array(labels) == IGNORE, np.nan, labels)  # as CloudCompare marks points without a value
    assert meaning.segment(nan, "here").tolist() == labels


def test_linked_splits_folders_and_files_are_scenes(tmp_path: Path) -> None:
    for name in ("disk/test/b.ply", "disk/more/c.ply", "disk/d.ply", "in/train/a.ply"):
        labeled(tmp_path / name, [0, 1, 2])
    (tmp_path / "in/classes.yaml").write_text(NAMES)
    (tmp_path / "in/test").symlink_to(tmp_path / "disk/test")
    (tmp_path / "in/train/more").symlink_to(tmp_path / "disk/more")
    (tmp_path / "in/train/e.ply").symlink_to(tmp_path / "disk/d.ply")
    reader = open_folder(str(tmp_path / "in"))
    assert reader.scenes() == ["test/b", "train/a", "train/e", "train/more_c"]
    assert reader.remarks() == []
    for name in reader.scenes():
        assert reader.read(name)[0].segment.tolist() == [0, 1, 2]  # type: ignore[union-attr]


def test_what_is_not_used_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    labeled(tmp_path / "train/A.PLY", [0, 1, 2])
    for name in ("train/photo.jpg", "train/a.las.bak", "train/.b.ply", "notes", "train/A.prj", "train/lost.labels"):
        (tmp_path / name).write_text("")
    (tmp_path / "test").mkdir()
    (tmp_path / "val").symlink_to("/nowhere")
    reader = open_folder(str(tmp_path))
    assert reader.scenes() == ["train/A"]  # endings in capitals are read
    told = [str(d) for d in reader.remarks()]
    assert told == [
        f"{tmp_path / 'val'}: a link to /nowhere, which is not there; not used",
        f"{tmp_path}: 5 files of other kinds: without ending (1), hidden (1), .las.bak (1), .labels (1), .jpg (1); not used",
        f"{tmp_path / 'test'}: no point file in it; no scene of this split",
    ]
    (tmp_path / "train/A.PLY").unlink()
    with pytest.raises(
        InputError, match=r"no point file here \(a link to /nowhere, which is not there\); put files of"
    ):
        open_folder(str(tmp_path)).scenes()


def test_scans_of_a_moving_scanner_have_names_of_their_own(tmp_path: Path) -> None:
    for name in ("sequences/00/velodyne/000000.npy", "sequences/01/velodyne/000000.npy"):
        (tmp_path / name).parent.mkdir(parents=True)
        np.save(tmp_path / name, np.eye(3))
    (tmp_path / "classes.yaml").write_text(NAMES)
    assert open_folder(str(tmp_path)).scenes() == ["sequences/00_velodyne_000000", "sequences/01_velodyne_000000"]


def test_other_columns_that_may_be_labels_are_told(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    for values, told in (((2, 1), True), ((0, 1), False), ((5, 5), False)):
        rows = "".join(f"{i},{i},{i},{i},{value},7\n" for i, value in enumerate(values))
        (tmp_path / "a.csv").write_text(f"x,y,z,label,classification,intensity\n{rows}")
        scene, defects = open_folder(str(tmp_path)).read("train/a")
        assert scene.segment is not None
        assert scene.segment.tolist() == [0, 1]
        assert (scene.labels_from, scene.unused) == ("label", ("classification",))
        assert any("label, classification may all be labels; label was taken" in str(d) for d in defects) == told


@pytest.mark.parametrize("value", ["7.5", "inf", "1e300", "-1e19"])
def test_object_numbers_that_are_no_whole_numbers(tmp_path: Path, value: str) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES + "instance: tree_id\n")
    (tmp_path / "a.csv").write_text(f"x,y,z,label,tree_id\n0,0,0,1,7\n1,1,1,0,{value}\n")
    with pytest.raises(InputError, match=r"a\.csv: tree_id is .* at point 1, no whole number"):
        open_folder(str(tmp_path)).read("train/a")


def test_object_numbers_of_64_bits_stay(tmp_path: Path) -> None:
    numbers = np.array([2**60 + 1, 7, 8])
    cloud = Cloud(np.eye(3), fields={"tree_id": numbers})
    assert _instance(cloud, "tree_id", tmp_path).tolist() == numbers.tolist()
