"""A picture is a scene of pixels: written, read, listed, tied to its colors, and labeled like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.draw import draw_points
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import Scene, read_scene, write_scene

CLASSES = Classes(("road", "car", "sky"))


def picture(height: int = 5, width: int = 7, seed: int = 0) -> Scene:
    rng = np.random.default_rng(seed)
    count = height * width
    attributes = {
        "color": rng.integers(0, 256, (count, 3)).astype(np.uint8),
        "segment": rng.integers(-1, 3, count).astype(np.int16),
    }
    return Scene(pixel_places(height, width), attributes, "train/p", classes=CLASSES.names, size=(height, width))


def test_it_is_written_as_a_picture_and_read_as_pixels(tmp_path: Path) -> None:
    scene = picture()
    folder = write_scene(tmp_path, scene)
    assert np.load(folder / "image.npy").shape == (5, 7, 3)
    assert np.load(folder / "segment.npy").shape == (5, 7)
    assert not (folder / "coord.npy").exists()
    assert list_scenes(tmp_path, ["train"]) == [folder]
    found = read_scene(folder, CLASSES, with_labels=True)
    assert found.size == (5, 7)
    np.testing.assert_array_equal(found.image, scene.image)
    np.testing.assert_array_equal(found.segment, scene.segment)
    assert read_scene(folder, CLASSES, with_labels=False).segment is None
    row, column = divmod(np.arange(35), 7)
    np.testing.assert_array_equal(found.coord, np.stack([column, -row, np.zeros(35)], axis=1))


def test_a_label_file_is_tied_to_the_colors(tmp_path: Path) -> None:
    scene = picture()
    labels = draw_points([scene], CLASSES, 10)
    known = labels.labels(scene)
    assert (known != IGNORE).sum() <= 10
    np.testing.assert_array_equal(known[known != IGNORE], scene.attributes["segment"][known != IGNORE])
    other = replace(scene, attributes=picture(seed=1).attributes)
    with pytest.raises(InputError, match="train/p"):
        labels.labels(other)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("image", np.zeros((5, 7), np.uint8), r"image\.npy: \(5, 7\) uint8, but \(H, W, 3\) uint8"),
        ("image", np.zeros((5, 7, 3), np.float32), r"image\.npy: \(5, 7, 3\) float32"),
        ("image", np.zeros((0, 7, 3), np.uint8), r"image\.npy: \(0, 7, 3\)"),
        ("segment", np.zeros((7, 5), np.int16), r"segment\.npy: shape \(7, 5\) beside a picture of \(5, 7\)"),
        ("segment", np.full((5, 7), 3, np.int16), r"segment\.npy: label 3 at point 0, but there are 3 classes"),
    ],
)
def test_malformed_arrays(tmp_path: Path, name: str, array: np.ndarray, message: str) -> None:
    folder = write_scene(tmp_path, picture())
    np.save(folder / f"{name}.npy", array)
    with pytest.raises(InputError, match=message):
        read_scene(folder, CLASSES, with_labels=True)


def test_a_cloud_has_no_picture() -> None:
    with pytest.raises(TypeError, match="no picture"):
        _ = replace(picture(), size=None).image
