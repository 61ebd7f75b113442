"""A user's own scans with a classes.yaml: formats, splits, names of scenes, links and missing files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.datasets import open_folder
from pcseg.errors import InputError
from tests.datasets.class_files import NAMES
from tests.datasets.own_scans import COORD, labeled


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


def test_a_missing_folder_class_file_or_point_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        open_folder(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"classes\.yaml: no such file; write one"):
        open_folder(str(tmp_path))
    (tmp_path / "classes.yaml").write_text(NAMES)
    with pytest.raises(InputError, match="no point file here"):
        open_folder(str(tmp_path)).scenes()


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


def test_unused_files_are_reported_once(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    labeled(tmp_path / "train/A.PLY", [0, 1, 2])
    for name in ("train/photo.jpg", "train/a.las.bak", "train/.b.ply", "notes", "train/A.prj", "train/lost.labels"):
        (tmp_path / name).write_text("")
    (tmp_path / "test").mkdir()
    (tmp_path / "val").symlink_to("/nowhere")
    reader = open_folder(str(tmp_path))
    assert reader.scenes() == ["train/A"]  # endings in capitals are read
    reported = [str(d) for d in reader.remarks()]
    assert reported == [
        f"{tmp_path / 'val'}: a link to /nowhere, which is not there; not used",
        f"{tmp_path}: 5 files of other kinds: without ending (1), hidden (1), .las.bak (1), .labels (1), .jpg (1); "
        "not used",
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
