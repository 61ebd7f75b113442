"""CamVid in SegNet's layout: names, numbers, missing files.

Bad input and its message: a number above 11; no split; a picture or mask that is alone; a split that is nearly whole.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.datasets import open_dataset
from pcseg.datasets.camvid import PICTURES, CamvidReader
from pcseg.errors import InputError
from tests.datasets.picture_files import mask, picture

REAL = Path(__file__).parents[3] / "shared" / "data" / "camvid"


def test_each_picture_has_the_labels_of_its_mask(tmp_path: Path) -> None:
    for split, name in (("train", "0001TP_1"), ("train", "0006R0_2"), ("val", "0016E5_3")):
        colors = picture(tmp_path / split / f"{name}.png", 1)
        numbers = mask(tmp_path / f"{split}annot" / f"{name}.png", list(range(12)), 2)
    (tmp_path / "train.txt").write_text("/SegNet/CamVid/train/0001TP_1.png /SegNet/CamVid/trainannot/0001TP_1.png\n")
    reader = open_dataset(str(tmp_path))
    assert isinstance(reader, CamvidReader)
    assert reader.scenes() == ["train/0001TP_1", "train/0006R0_2", "val/0016E5_3"]
    assert reader.remarks() == []
    scene, defects = reader.read("val/0016E5_3")
    assert defects == []
    np.testing.assert_array_equal(scene.image, colors)
    np.testing.assert_array_equal(scene.segment, np.where(numbers == 11, IGNORE, numbers).reshape(-1))
    assert (scene.name, scene.size, scene.labels_from) == ("val/0016E5_3", (6, 8), "masks")
    assert [scene.classes[k] for k in (0, 3, 10)] == ["sky", "road", "bicyclist"]


def test_a_number_of_no_class_is_named_with_its_pixel(tmp_path: Path) -> None:
    picture(tmp_path / "train/a.png")
    mask(tmp_path / "trainannot/a.png", [3, 3, 3, 3, 3, 3, 3, 3, 3, 12], 0)
    with pytest.raises(InputError, match=r"trainannot/a\.png: number 12 at row \d, column \d \(\d+ pixels\) means no"):
        CamvidReader(str(tmp_path)).read("train/a")


def test_what_is_alone_or_not_used_is_told(tmp_path: Path) -> None:
    for name in "abc":
        picture(tmp_path / f"train/{name}.png")
    mask(tmp_path / "trainannot/a.png", [0])
    mask(tmp_path / "trainannot/z.png", [0])
    (tmp_path / "notes.pdf").write_text("")
    (tmp_path / "val").symlink_to("/nowhere")
    reader = CamvidReader(str(tmp_path))
    assert reader.scenes() == ["train/a", "train/b", "train/c"]
    assert [str(defect).removeprefix(f"{tmp_path}") for defect in reader.remarks()] == [
        "/val: a link to /nowhere, which is not there; not used",
        ": 1 file of other kinds: .pdf (1); not used",
        ": train: 2 of 3 pictures have no mask, train/b first; unlabeled",
        ": train: 1 masks have no picture, train/z first; not used",
    ]
    scene, _ = reader.read("train/b")
    assert scene.segment is None
    assert scene.labels_from == ""


def test_a_split_that_is_nearly_whole_lost_pictures(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    picture(tmp_path / "val/0.png")
    for i in range(1, PICTURES["val"] - 1):
        (tmp_path / f"val/{i}.png").hardlink_to(tmp_path / "val/0.png")
    told = "\n".join(map(str, CamvidReader(str(tmp_path)).remarks()))
    assert "val: 100 pictures, but the release has 101; prepared without the missing ones; unpack it again" in told
    (tmp_path / "val/100.png").hardlink_to(tmp_path / "val/0.png")
    assert "release" not in "\n".join(map(str, CamvidReader(str(tmp_path)).remarks()))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture in train, val or test; give the folder that holds them"):
        CamvidReader(str(tmp_path)).scenes()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real pictures are not here")
def test_the_real_one() -> None:
    reader = open_dataset(str(REAL))
    names = reader.scenes()
    assert [sum(name.startswith(split) for name in names) for split in ("train/", "val/")] == [367, 101]
    assert reader.remarks() == []
    scene, defects = reader.read("train/0001TP_006690")
    assert defects == []
    assert scene.size == (360, 480)
    road = np.asarray(scene.segment).reshape(360, 480)[330, 160:320]
    assert (road == reader.classes.index("road")).mean() > 0.9
