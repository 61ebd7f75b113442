"""Parts of pictures: together they are the picture, and they are prepared beside it.

Bad input and its message: one row; a picture that is too small; crops of a scan.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pcseg.datasets import open_dataset
from pcseg.datasets.crops import CropReader
from pcseg.datasets.prepare import prepare
from pcseg.errors import InputError
from tests.datasets.picture_files import mask, picture


def camvid(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write a picture of 7 x 10 pixels and its mask; return both."""
    return picture(root / "train/a.png", size=(7, 10)), mask(root / "trainannot/a.png", list(range(11)), size=(7, 10))


def classes_of(root: Path) -> Path:
    """Write a classes.yaml of 11 classes and return its path."""
    (root / "classes.yaml").write_text(f"names: [{', '.join(f'c{k}' for k in range(11))}]\n")
    return root / "classes.yaml"


def test_the_parts_are_the_picture(tmp_path: Path) -> None:
    colors, numbers = camvid(tmp_path)
    reader = open_dataset(str(tmp_path), choices={"crops": 3})
    parts = [f"train_3x3/a_r{row}_c{column}" for row in range(3) for column in range(3)]
    assert reader.scenes() == ["train/a", *parts]
    scenes = [reader.read(name)[0] for name in parts]
    assert [scene.name for scene in scenes] == parts
    assert [scene.size for scene in scenes[:3]] == [(2, 3), (2, 3), (2, 4)]
    images = [scene.image for scene in scenes]
    np.testing.assert_array_equal(np.block([[[i] for i in images[3 * row : 3 * row + 3]] for row in range(3)]), colors)
    labels = [scene.segment.reshape(scene.size) for scene in scenes]
    np.testing.assert_array_equal(np.block([labels[3 * row : 3 * row + 3] for row in range(3)]), numbers)
    np.testing.assert_array_equal(reader.read("train/a")[0].image, colors)


def test_they_are_prepared_beside_it_and_again_from_elsewhere(tmp_path: Path) -> None:
    camvid(tmp_path / "raw")
    output = str(tmp_path / "prepared")
    summary = prepare(open_dataset(str(tmp_path / "raw"), choices={"crops": 2}), output, workers=1)
    assert summary.prepared == ("train/a", *(f"train_2x2/a_r{r}_c{c}" for r in (0, 1) for c in (0, 1)))
    assert str(tmp_path) not in json.dumps(json.loads((tmp_path / "prepared/dataset.json").read_text()))
    (tmp_path / "raw").rename(tmp_path / "moved")
    again = prepare(open_dataset(str(tmp_path / "moved"), choices={"crops": 2}), output, workers=1)
    assert len(again.already_there) == 5
    with pytest.raises(InputError, match="crops"):
        prepare(open_dataset(str(tmp_path / "moved"), choices={"crops": 3}), output, workers=1)


def test_what_cannot_be_cut_is_refused_in_one_line(tmp_path: Path) -> None:
    camvid(tmp_path)
    reader = open_dataset(str(tmp_path))
    with pytest.raises(InputError, match="crops=1: give 2 or more"):
        CropReader(reader, 1)
    with pytest.raises(InputError, match=r"train/a: 10 x 7 pixels cannot be cut into 8 x 8"):
        CropReader(reader, 8).read("train_8x8/a_r0_c0")
    with pytest.raises(InputError, match="crops=2: a folder data set has no such choice"):
        open_dataset(str(tmp_path), "folder", {"crops": 2})
    picture(tmp_path / "train_2x2/a_r0_c1.png")
    with pytest.raises(InputError, match="train_2x2/a_r0_c1: is a picture, and a part of train/a"):
        open_dataset(str(tmp_path), "images", {"crops": 2, "classes": str(classes_of(tmp_path))}).scenes()
