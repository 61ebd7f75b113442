"""Scenes whose source was changed or removed since they were prepared: made again, or told of."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import Classes
from pcseg.datasets import open_dataset
from pcseg.datasets.prepare import Summary, prepare, read_summary
from pcseg.files import read_json, write_json
from pcseg.scenes.scene import read_scene
from tests.datasets.picture_files import mask, picture
from tests.datasets.raw import s3dis_room, scannet_scene

TABLE = "scannetv2-labels.combined.tsv"


def own(root: Path) -> None:
    """Scans of text, one with its labels beside it, and one of KITTI with labels in another folder."""
    (root / "train/labels").mkdir(parents=True)
    (root / "train/velodyne").mkdir()
    (root / "classes.yaml").write_text("names: [a, b]\n")
    (root / "train/a.csv").write_text("x,y,z,label\n0,1,1,0\n1,2,2,1\n")
    (root / "train/b.txt").write_text("0 1 1\n1 2 2\n")
    (root / "train/b.labels").write_text("1\n0\n")
    np.arange(8, dtype=np.float32).tofile(root / "train/velodyne/0.bin")
    np.array([0, 1], np.uint32).tofile(root / "train/labels/0.label")


def s3dis(root: Path) -> None:
    for room in ("office_1", "office_2"):
        s3dis_room(root / "Area_1" / room, {"floor_1": 5, "chair_1": 5})
    (root / "Area_1/Area_1_alignmentAngle.txt").write_text("office_1 90\noffice_2 0\n")


def scannet(root: Path) -> None:
    for number in (0, 1):
        scannet_scene(root / f"scans/scene000{number}_00")
    (root / TABLE).write_text("raw_category\tnyu40id\noffice chair\t5\n")


def frames(root: Path) -> None:
    for scene in ("x", "y"):
        picture(root / scene / "color/0.jpg")
        mask(root / scene / "label/0.png", [0, 1])
        (root / scene / "label/classes.json").write_text('{"0": "unlabeled", "1": "wall"}')


def images(root: Path) -> None:
    for name in ("a", "b"):
        picture(root / f"train/images/{name}.png")
        mask(root / f"train/masks/{name}.png", [0, 1])
    (root / "classes.yaml").write_text("names: [road, car]\n")


def camvid(root: Path) -> None:
    picture(root / "train/a.png")
    mask(root / "trainannot/a.png", [0, 11])


def voc(root: Path) -> None:
    picture(root / "JPEGImages/1.jpg")
    mask(root / "SegmentationClass/1.png", [0, 20])
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/train.txt").write_text("1\n")


def cityscapes(root: Path) -> None:
    picture(root / "leftImg8bit/val/ulm/ulm_1_leftImg8bit.png")
    mask(root / "gtFine/val/ulm/ulm_1_gtFine_labelIds.png", [7, 8])


def pointcept(root: Path) -> None:
    (root / "train/a").mkdir(parents=True)
    np.save(root / "train/a/coord.npy", np.eye(3, dtype=np.float32))
    np.save(root / "train/a/segment.npy", np.zeros(3, np.int16))
    write_json(root / "dataset.json", {"classes": ["a"], "colors": [[1, 2, 3]]})


A, B = "scans/scene0000_00/scene0000_00", ["train/scene0000_00", "train/scene0001_00"]


@pytest.mark.parametrize(
    ("kind", "make", "expected"),
    [
        ("folder", own, {"train/a.csv": ["train/a"], "train/b.txt": ["train/b"], "train/b.labels": ["train/b"],
                         "train/velodyne/0.bin": ["train/velodyne_0"], "train/labels/0.label": ["train/velodyne_0"]}),
        ("s3dis", s3dis, {"Area_1/office_2/Annotations/chair_1.txt": ["Area_1/office_2"],
                          "Area_1/Area_1_alignmentAngle.txt": ["Area_1/office_1", "Area_1/office_2"]}),
        ("scannet", scannet, {TABLE: B, **{A + ending: B[:1] for ending in (
            "_vh_clean_2.ply", "_vh_clean_2.labels.ply", "_vh_clean_2.0.010000.segs.json", ".aggregation.json", ".txt"
        )}}),
        ("frames", frames, {f"x/{f}": ["train/x_0"] for f in ("color/0.jpg", "label/0.png", "label/classes.json")}),
        ("images", images, {f"train/{kind}/b.png": ["train/b"] for kind in ("images", "masks")}),
        ("camvid", camvid, {"train/a.png": ["train/a"], "trainannot/a.png": ["train/a"]}),
        ("voc", voc, {"JPEGImages/1.jpg": ["train/1"], "SegmentationClass/1.png": ["train/1"]}),
        ("cityscapes", cityscapes, {"leftImg8bit/val/ulm/ulm_1_leftImg8bit.png": ["val/ulm_1"],
                                    "gtFine/val/ulm/ulm_1_gtFine_labelIds.png": ["val/ulm_1"]}),
        ("pointcept", pointcept, {f"train/a/{file}.npy": ["train/a"] for file in ("coord", "segment")}),
    ],
)  # fmt: skip
def test_each_file_that_a_scene_is_made_of(
    tmp_path: Path, kind: str, make: Callable[[Path], None], expected: dict[str, list[str]]
) -> None:
    make(tmp_path / "raw")
    reader, output = open_dataset(str(tmp_path / "raw"), kind), str(tmp_path / "out")
    assert sorted(prepare(reader, output, workers=1).prepared) == sorted(reader.scenes())
    for file, scenes in expected.items():
        os.utime(tmp_path / "raw" / file, ns=(0, 0))
        found = prepare(reader, output, workers=1)
        assert list(found.changed) == list(found.prepared) == scenes, file
    assert prepare(reader, output, workers=1).prepared == ()


def test_parts_of_a_picture_are_made_again_with_it(tmp_path: Path) -> None:
    images(tmp_path / "raw")
    reader = open_dataset(str(tmp_path / "raw"), "images", {"crops": 2})
    prepare(reader, str(tmp_path / "out"), workers=1)
    mask(tmp_path / "raw/train/masks/a.png", [1])
    parts = [f"train_2x2/a_r{row}_c{column}" for row in (0, 1) for column in (0, 1)]
    assert prepare(reader, str(tmp_path / "out"), workers=1).changed == ("train/a", *parts)


def prepared(root: Path, **labels: int) -> Summary:
    """Prepare scans of two points, the second with the label that is given by name, and of no other."""
    (root / "raw/train").mkdir(parents=True, exist_ok=True)
    (root / "raw/classes.yaml").write_text("names: [a, b]\n")
    for path in (root / "raw/train").iterdir():
        if path.stem not in labels:
            path.unlink()
    for name, label in labels.items():
        path, text = root / f"raw/train/{name}.csv", f"x,y,z,label\n0,1,1,0\n1,2,2,{label}\n"
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
    return prepare(open_dataset(str(root / "raw")), str(root / "out"), workers=1)


def test_corrected_labels_are_taken(tmp_path: Path) -> None:
    assert prepared(tmp_path, store=0, hall=0).changed == ()
    again = prepared(tmp_path, store=1, hall=0)
    assert (again.prepared, again.changed, again.already_there) == (("train/store",), ("train/store",), ("train/hall",))
    assert np.load(tmp_path / "out/train/store/segment.npy").tolist() == [0, 1]
    assert read_summary(str(tmp_path / "out")) == again


def test_a_run_that_was_killed_before_it_made_a_changed_scene_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    prepared(tmp_path, store=0)
    with monkeypatch.context() as patched:
        patched.setattr("pcseg.datasets.prepare.in_processes", killed)
        with pytest.raises(KeyboardInterrupt):
            prepared(tmp_path, store=1)
    assert prepared(tmp_path, store=1).prepared == ("train/store",)
    assert np.load(tmp_path / "out/train/store/segment.npy").tolist() == [0, 1]


def test_a_scene_of_before_its_source_was_remembered_is_kept(tmp_path: Path) -> None:
    prepared(tmp_path, store=0)
    note = tmp_path / "out/train/store/scene.json"
    write_json(note, {key: value for key, value in read_json(note).items() if key != "stamp"})
    assert prepared(tmp_path, store=1).already_there == ("train/store",)


def test_a_scene_without_a_source_is_told_and_stays(tmp_path: Path) -> None:
    prepared(tmp_path, store=0, hall=0)
    again = prepared(tmp_path, store=0)
    assert again.abandoned == ("train/hall",)
    assert (tmp_path / "out/train/hall/coord.npy").is_file()
    assert read_summary(str(tmp_path / "out")) == again


def test_a_changed_source_that_cannot_be_read_leaves_the_scene_whole(tmp_path: Path) -> None:
    prepared(tmp_path, store=0)
    (tmp_path / "raw/train/store.csv").write_text("this is no scan\n")
    reader = open_dataset(str(tmp_path / "raw"))
    for _ in range(2):  # it is tried again until it can be read
        found = prepare(reader, str(tmp_path / "out"), workers=1)
        assert [name for name, _ in found.failed] == ["train/store"]
        assert (found.prepared, found.changed) == ((), ())
        scene = read_scene(tmp_path / "out/train/store", Classes(("a", "b")), with_labels=True)
        assert scene.segment is not None
        assert scene.segment.tolist() == [0, 0]
        assert (tmp_path / "out/train/store/scene.json").is_file()
