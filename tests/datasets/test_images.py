"""A user's own pictures with a classes.yaml: layouts, names, colors, missing files.

Bad input and its message: no picture; two pictures of one name; keys for clouds; a color of two classes; a mask of
another size, of an unknown number or color, or as JPEG; pictures and masks that are alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcseg.classes import IGNORE
from pcseg.datasets import open_dataset
from pcseg.datasets.images import ImagesReader, open_images
from pcseg.errors import InputError
from tests.datasets.picture_files import mask, picture

NAMES = "names: [road, car]\n"
LAYOUTS = [
    ("train/images/a.jpg", "train/masks/a.png"),
    ("images/train/a.jpg", "masks/train/a.png"),
    ("images/a.png", "masks/a.tif"),
    ("train/a.png", "trainannot/a.png"),
    ("train/a.JPG", "train/masks/a.png"),
]


@pytest.mark.parametrize(("where", "its_mask"), LAYOUTS)
def test_layouts(tmp_path: Path, where: str, its_mask: str) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    picture(tmp_path / where)
    numbers = mask(tmp_path / its_mask, [0, 1])
    reader = open_images(str(tmp_path))
    assert reader.scenes() == ["train/a"]
    assert reader.remarks() == []
    scene, defects = reader.read("train/a")
    assert defects == []
    np.testing.assert_array_equal(scene.segment, numbers.reshape(-1))
    if where != "train/a.JPG":
        assert open_dataset(str(tmp_path)) == reader


def test_splits_and_folders_further_down(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    for name in ("train/images/bonn/a", "val/images/a", "test/images/a"):
        picture(tmp_path / f"{name}.png")
    for name in ("train/masks/bonn/a", "val/masks/a"):
        mask(tmp_path / f"{name}.png", [0, 1])
    picture(tmp_path / "b.png")
    picture(tmp_path / ".hidden/c.png")
    reader = open_images(str(tmp_path))
    assert reader.scenes() == ["test/a", "train/b", "train/bonn_a", "val/a"]
    assert [defect.found for defect in reader.remarks()] == [
        "1 file of other kinds: hidden (1)",
        "test: 1 of 1 pictures have no mask, test/a first",
        "train: 1 of 2 pictures have no mask, train/b first",
    ]
    assert reader.read("test/a")[0].segment is None


def test_numbers_mean_what_the_class_file_says(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text("names: [road, car]\nids: {300: road, 7: car, 8: car}\nignore: [0]\n")
    picture(tmp_path / "images/a.png")
    numbers = mask(tmp_path / "masks/a.png", [300, 7, 8, 0], kind=np.uint16)
    scene, _ = open_images(str(tmp_path)).read("train/a")
    expected = np.select([numbers == 300, numbers >= 7], [0, 1], IGNORE)
    np.testing.assert_array_equal(scene.segment, expected.reshape(-1))


@pytest.mark.parametrize("black", [False, True])
def test_masks_of_colors(tmp_path: Path, black: bool) -> None:
    """Black is unlabeled unless a class has that color."""
    colors = [[128, 64, 128], [0, 0, 0] if black else [64, 0, 128]]
    text = f"names: [road, car]\ncolors: {colors}\nids: {{3: road, 9: car}}\n"
    (tmp_path / "classes.yaml").write_text(text)
    picture(tmp_path / "images/a.png")
    at = np.random.default_rng(1).integers(0, 2 if black else 3, (6, 8))
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.array([*colors, [0, 0, 0]], np.uint8)[at]).save(tmp_path / "masks/a.png")
    scene, defects = open_images(str(tmp_path)).read("train/a")
    assert defects == []
    np.testing.assert_array_equal(scene.segment, np.array([0, 1, IGNORE])[at].reshape(-1))


def test_a_picture_and_a_mask_turned_by_exif(tmp_path: Path) -> None:
    """Of the picture alone it must have its mask drawn upright; with the same EXIF, both are turned."""
    (tmp_path / "classes.yaml").write_text(NAMES)
    exif = Image.Exif()
    exif[274] = 6
    colors = picture(tmp_path / "images/a.png")
    Image.fromarray(colors).save(tmp_path / "images/a.png", exif=exif)
    upright = mask(tmp_path / "masks/a.png", [0, 1], size=(8, 6))
    scene, (defect,) = open_images(str(tmp_path)).read("train/a")
    assert "EXIF orientation 6; turned upright" in str(defect)
    np.testing.assert_array_equal(scene.segment, upright.reshape(-1))
    stored = mask(tmp_path / "masks/a.png", [0, 1])
    with pytest.raises(InputError, match=r"masks/a\.png: 8 x 6 pixels, but a\.png has 6 x 8, turned as its EXIF says;"):
        open_images(str(tmp_path)).read("train/a")
    Image.fromarray(stored.astype(np.uint8)).save(tmp_path / "masks/a.png", exif=exif)
    scene, _ = open_images(str(tmp_path)).read("train/a")
    np.testing.assert_array_equal(scene.segment, np.rot90(stored, -1).reshape(-1))


def bad_mask(tmp_path: Path, kind: str) -> None:
    if kind == "size":
        mask(tmp_path / "masks/a.png", [0, 1], size=(6, 9))
    elif kind == "number":
        mask(tmp_path / "masks/a.png", [1, 1, 7])
    elif kind == "color":
        picture(tmp_path / "masks/a.png")
    else:
        mask(tmp_path / "masks/a.jpg", [0, 1])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("size", r"masks/a\.png: 9 x 6 pixels, but a\.png has 8 x 6; save the mask in the size of its picture"),
        ("number", r"masks/a\.png: number 7 at row 0, column 2 .* add it to classes\.yaml under ids: or ignore:"),
        ("color", r"masks/a\.png: a mask of colors, but which class has which color is not known"),
        ("jpeg", r"masks/a\.jpg: a JPEG does not keep the numbers of a mask exactly"),
    ],
)
def test_masks_that_cannot_be_used(tmp_path: Path, kind: str, message: str) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    picture(tmp_path / "images/a.png")
    (tmp_path / "masks").mkdir()
    bad_mask(tmp_path, kind)
    with pytest.raises(InputError, match=message):
        open_images(str(tmp_path)).read("train/a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [a]\nlabel: class\n", r"classes\.yaml: label: has no meaning for pictures, whose labels are masks"),
        ("names: [a]\nscale: 0.5\n", r"classes\.yaml: scale: has no meaning for pictures"),
        ("names: [a, b]\ncolors: [[1, 2, 3], [1, 2, 3]]\n", r"colors: \[1, 2, 3\] is that of two classes"),
        (None, r"classes\.yaml: no such file; write one"),
    ],
)
def test_class_files_for_something_else(tmp_path: Path, text: str | None, message: str) -> None:
    if text:
        (tmp_path / "classes.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        open_images(str(tmp_path))


def test_no_picture_or_two_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    (tmp_path / "scan.las").write_text("")
    with pytest.raises(InputError, match=r"no picture here \(1 file of other kinds: \.las \(1\)\); put pictures"):
        open_images(str(tmp_path)).scenes()
    picture(tmp_path / "images/a.png")
    picture(tmp_path / "images/a.jpg")
    with pytest.raises(InputError, match=r"a\.png: would have the same name \(train/a\) as .*a\.jpg; rename"):
        open_images(str(tmp_path)).scenes()
    with pytest.raises(InputError, match="no such folder"):
        open_images(str(tmp_path / "nowhere"))


def test_masks_without_a_picture_are_told(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text(NAMES)
    picture(tmp_path / "train/images/a.png")
    mask(tmp_path / "train/masks/a_mask.png", [0, 1])
    reader = open_dataset(str(tmp_path))
    assert isinstance(reader, ImagesReader)
    assert [defect.found for defect in reader.remarks()] == [
        "train: 1 of 1 pictures have no mask, train/a first",
        "train: 1 masks have no picture, train/a_mask first",
    ]
