"""Labels and object numbers of a user's own scans: which column they come from, and unusable values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.datasets import open_folder
from pcseg.datasets.folder import _instance
from pcseg.errors import InputError
from pcseg.formats import write_cloud
from pcseg.formats.cloud import Cloud
from tests.datasets.class_files import NAMES
from tests.datasets.own_scans import COORD, labeled


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


def test_labels_of_no_class_are_refused(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    for labels, message in (([0, 3, 3], r"label 3 \(2 points, first is 1\)"), ([0, 1, 255], "label 255")):
        labeled(tmp_path / "a.ply", labels)
        with pytest.raises(InputError, match=f"{message}.*add it to classes.yaml under ids: or ignore:"):
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


def test_other_columns_that_may_be_labels_are_reported(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    for values, reported in (((2, 1), True), ((0, 1), False), ((5, 5), False)):
        rows = "".join(f"{i},{i},{i},{i},{value},7\n" for i, value in enumerate(values))
        (tmp_path / "a.csv").write_text(f"x,y,z,label,classification,intensity\n{rows}")
        scene, defects = open_folder(str(tmp_path)).read("train/a")
        assert scene.segment is not None
        assert scene.segment.tolist() == [0, 1]
        assert (scene.labels_from, scene.unused) == ("label", ("classification",))
        assert any("label, classification may all be labels; label was taken" in str(d) for d in defects) == reported


@pytest.mark.parametrize("value", ["7.5", "inf", "1e300", "-1e19"])
def test_object_numbers_that_are_no_whole_numbers(tmp_path: Path, value: str) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES + "instance: tree_id\n")
    (tmp_path / "a.csv").write_text(f"x,y,z,label,tree_id\n0,0,0,1,7\n1,1,1,0,{value}\n")
    with pytest.raises(InputError, match=r"a\.csv: tree_id is .* at point 1, no whole number"):
        open_folder(str(tmp_path)).read("train/a")


def test_object_numbers_of_64_bits_are_kept(tmp_path: Path) -> None:
    numbers = np.array([2**60 + 1, 7, 8])
    cloud = Cloud(np.eye(3), fields={"tree_id": numbers})
    assert _instance(cloud, "tree_id", tmp_path).tolist() == numbers.tolist()
