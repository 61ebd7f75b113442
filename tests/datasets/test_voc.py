"""VOC 2012: splits from lists, masks of both kinds, the palette.

Bad input and its message: no list, an empty one, listed pictures that are missing, other folders, unknown numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.datasets import open_dataset
from pcseg.datasets.voc import VOC, VocReader
from pcseg.errors import InputError
from pcseg.formats.masks import write_palette_png
from tests.datasets.picture_files import mask, picture

LABELS = np.tile(np.array([0, 15, 20, IGNORE]), (6, 2))


def voc(root: Path) -> Path:
    """Write three pictures, two with masks, one with an augmented mask only; lists of all kinds."""
    for i, name in enumerate(("2007_000001", "2007_000002", "2008_000003")):
        picture(root / f"JPEGImages/{name}.jpg", i)
    for name in ("2007_000001", "2007_000002"):
        (root / "SegmentationClass").mkdir(exist_ok=True)
        write_palette_png(root / f"SegmentationClass/{name}.png", LABELS, VOC.palette())
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_000001\n2007_000009\n\n")
    (lists / "val.txt").write_text("2007_000002\n")
    (lists / "trainval.txt").write_text("2007_000001\n2007_000002\n")
    return root


def test_the_released_splits(tmp_path: Path) -> None:
    voc(tmp_path / "VOCdevkit/VOC2012")
    for root in (tmp_path, tmp_path / "VOCdevkit", tmp_path / "VOCdevkit/VOC2012"):
        reader = open_dataset(str(root))
        assert isinstance(reader, VocReader)
        assert reader.scenes() == ["train/2007_000001", "val/2007_000002"]
    scene, defects = reader.read("val/2007_000002")
    assert defects == []
    np.testing.assert_array_equal(scene.segment, LABELS.reshape(-1))
    assert scene.labels_from == "SegmentationClass"
    assert [d.found for d in reader.remarks()] == ["train: 1 of the 2 listed pictures are missing, 2007_000009 first"]


def test_lists_of_a_protocol_and_augmented_masks(tmp_path: Path) -> None:
    root = voc(tmp_path / "VOC2012")
    for name, numbers in (("2007_000001", [1]), ("2008_000003", [7, 255])):
        found = mask(root / f"SegmentationClassAug/{name}.png", numbers)
    (tmp_path / "1_16").mkdir()
    (tmp_path / "1_16/labeled.txt").write_text("JPEGImages/2007_000001.jpg SegmentationClass/2007_000001.png\n")
    (tmp_path / "1_16/unlabeled.txt").write_text("/JPEGImages/2008_000003.jpg /SegmentationClassAug/2008_000003.png\n")
    reader = open_dataset(str(root), "voc", {"lists": str(tmp_path / "1_16")})
    assert reader.scenes() == ["labeled/2007_000001", "unlabeled/2008_000003"]
    assert reader.remarks() == []
    scene, _ = reader.read("unlabeled/2008_000003")
    np.testing.assert_array_equal(scene.segment, np.where(found == 255, IGNORE, found).reshape(-1))
    assert scene.labels_from == "SegmentationClassAug"
    np.testing.assert_array_equal(reader.read("labeled/2007_000001")[0].segment, LABELS.reshape(-1))
    (tmp_path / "1_16/train_aug.txt").write_text("2007_000001\n2008_000003\n")
    reader = VocReader(str(root), str(tmp_path / "1_16"))
    assert [d.found for d in reader.remarks()] == ["2 pictures are in several lists, 2007_000001 first"]
    only = VocReader(str(root), str(tmp_path / "1_16/unlabeled.txt"))
    assert only.scenes() == ["unlabeled/2008_000003"]


def test_a_picture_without_a_mask_is_unlabeled(tmp_path: Path) -> None:
    root = voc(tmp_path)
    (root / "ImageSets/Segmentation/test.txt").write_text("2008_000003\n")
    reader = VocReader(str(root))
    assert reader.read("test/2008_000003")[0].segment is None
    assert "test: 1 of 1 pictures have no mask, test/2008_000003 first" in [d.found for d in reader.remarks()]


def test_colors_of_the_palette() -> None:
    """As tables of the palette give them."""
    known = {"background": (0, 0, 0), "aeroplane": (128, 0, 0), "bicycle": (0, 128, 0), "boat": (0, 0, 128),
             "person": (192, 128, 128), "tvmonitor": (0, 64, 128)}  # fmt: skip
    assert {name: VOC.colors[VOC.index(name)] for name in known} == known
    assert len(VOC) == len(set(VOC.colors)) == 21


def test_mistakes(tmp_path: Path) -> None:
    root = voc(tmp_path / "VOC2012")
    (tmp_path / "lists").mkdir()
    with pytest.raises(InputError, match=r"lists=.*lists: no list here; give a folder with train\.txt"):
        VocReader(str(root), str(tmp_path / "lists")).scenes()
    (tmp_path / "lists/train.txt").write_text("\n")
    with pytest.raises(InputError, match=r"lists/train\.txt: no name in it"):
        VocReader(str(root), str(tmp_path / "lists")).scenes()
    (tmp_path / "lists/train.txt").write_text("2011_1\n")
    with pytest.raises(InputError, match=r"JPEGImages: has none of the listed pictures, such as 2011_1\.jpg"):
        VocReader(str(root), str(tmp_path / "lists")).scenes()
    mask(root / "SegmentationClass/2007_000001.png", [21])
    with pytest.raises(
        InputError, match=r"2007_000001\.png: number 21 at row 0, column 0 \(48 pixels\) means no class"
    ):
        VocReader(str(root)).read("train/2007_000001")
    for file in (root / "ImageSets/Segmentation").iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"Segmentation: no train\.txt or val\.txt here; unpack VOC again, or give"):
        VocReader(str(root)).scenes()
    with pytest.raises(InputError, match="no JPEGImages here; give the folder VOC2012"):
        VocReader(str(tmp_path / "lists")).scenes()
