"""The kind of a data set is found from its folder; Pointcept's folders are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import S3DIS, SCANNET20
from pcseg.datasets import FolderReader, PointceptReader, S3disReader, ScannetReader, open_dataset
from pcseg.errors import InputError
from tests.datasets.raw import s3dis_room, scannet_scene


def pointcept(folder: Path, segment: str = "segment", points: int = 4) -> None:
    folder.mkdir(parents=True)
    np.save(folder / "coord.npy", np.arange(3.0 * points, dtype=np.float32).reshape(-1, 3))
    np.save(folder / f"{segment}.npy", np.arange(points)[:, None])


def test_each_kind_is_found_from_its_files(tmp_path: Path) -> None:
    s3dis_room(tmp_path / "s3dis/Area_1/office_1", {"floor_1": 3})
    scannet_scene(tmp_path / "scannet/scans/scene0000_00")
    pointcept(tmp_path / "pointcept/Area_1/office_1")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/classes.yaml").write_text("names: [a]")
    kinds = {"s3dis": S3disReader, "scannet": ScannetReader, "pointcept": PointceptReader, "own": FolderReader}
    for name, kind in kinds.items():
        assert type(open_dataset(str(tmp_path / name))) is kind
        assert type(open_dataset(str(tmp_path / name), {"own": "folder"}.get(name, name))) is kind


def test_choices_of_another_kind_are_refused(tmp_path: Path) -> None:
    s3dis_room(tmp_path / "Area_1/office_1", {"floor_1": 3})
    assert open_dataset(str(tmp_path), "auto", {"stairs": "ignore", "align": None}) == S3disReader(
        str(tmp_path), "ignore"
    )
    with pytest.raises(InputError, match="align=True: a s3dis data set has no such choice"):
        open_dataset(str(tmp_path), "auto", {"align": True})
    with pytest.raises(InputError, match="dataset=kitti: no such kind"):
        open_dataset(str(tmp_path), "kitti")
    with pytest.raises(InputError, match="no such folder"):
        open_dataset(str(tmp_path / "nowhere"))


def test_pointcept_classes(tmp_path: Path) -> None:
    pointcept(tmp_path / "a/Area_1/office_1")
    pointcept(tmp_path / "b/train/scene0000_00", "segment20")
    pointcept(tmp_path / "c/train/plot")
    assert open_dataset(str(tmp_path / "a")).classes == S3DIS
    assert open_dataset(str(tmp_path / "b")).classes == SCANNET20
    with pytest.raises(InputError, match="its classes are unknown"):
        open_dataset(str(tmp_path / "c"))
    (tmp_path / "c.yaml").write_text("names: [p, q, r, s]")
    reader = open_dataset(str(tmp_path / "c"), "auto", {"classes": str(tmp_path / "c.yaml")})
    assert reader.classes.names == ("p", "q", "r", "s")
    scene, _ = reader.read("train/plot")
    assert scene.segment is not None
    assert scene.segment.tolist() == [0, 1, 2, 3]
    (tmp_path / "c.yaml").write_text("names: [p, q, r]")
    with pytest.raises(InputError, match="label 3 at point 3, but there are 3 classes"):
        open_dataset(str(tmp_path / "c"), "auto", {"classes": str(tmp_path / "c.yaml")}).read("train/plot")


def test_pointcept_scene_of_one_point(tmp_path: Path) -> None:
    pointcept(tmp_path / "Area_1/office_1", points=1)
    with pytest.raises(InputError, match="1 point; a scene needs at least 2"):
        open_dataset(str(tmp_path)).read("Area_1/office_1")


def test_pointcept_scenes_that_are_not_used_are_reported(tmp_path: Path) -> None:
    for name in ("disk/a", "in/train/b", "in/train/c"):
        pointcept(tmp_path / name)
    (tmp_path / "in/train/a").symlink_to(tmp_path / "disk/a")
    (tmp_path / "in/train/d").symlink_to("/nowhere")
    (tmp_path / "in/train/c/coord.npy").unlink()
    pointcept(tmp_path / "in/more/train/e")
    np.save(tmp_path / "in/train/b/strength.npy", np.zeros(4))
    (tmp_path / "c.yaml").write_text("names: [p, q, r, s]")
    reader = open_dataset(str(tmp_path / "in"), "pointcept", {"classes": str(tmp_path / "c.yaml")})
    assert reader.scenes() == ["train/a", "train/b"]
    reported = "\n".join(map(str, reader.remarks()))
    assert "train/d: a link to /nowhere, which is not there; not used" in reported
    assert "train/c: arrays of a scene, but no coord.npy; not used" in reported
    assert "1 folders with coord.npy, more/train/e first, are not at <split>/<scene>; not used" in reported
    scene, defects = reader.read("train/b")
    assert (scene.labels_from, scene.unused, defects) == ("segment.npy", ("strength",), [])


def test_pointcept_strays_are_reported(tmp_path: Path) -> None:
    pointcept(tmp_path / "Area_1/office_1", points=12)
    np.save(tmp_path / "Area_1/office_1/coord.npy", np.concatenate([np.ones((11, 3)) * 5e6, np.zeros((1, 3))]))
    _, (defect,) = open_dataset(str(tmp_path)).read("Area_1/office_1")
    assert "1 of 12 points stand over 1000 m apart from the others (first: point 11, " in str(defect)
