"""What label pictures and probabilities of frames mean: by classes.json, classes.yaml, ScanNet's table or index.

Bad input and its message: nothing that tells the numbers; names of no class; a number or a channel without a meaning;
values that are no probabilities; damaged, pickled or whole-numbered arrays; a mask that its EXIF turns.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcseg.classes import IGNORE, SCANNET20, Classes
from pcseg.datasets.soft_frames import open_soft_frames
from pcseg.errors import InputError

CLASSES = Classes(("floor", "wall", "chair"))
NAMES = {"0": "unlabeled", "1": "chair", "2": "floor", "300": "lamp"}
NUMBERS = np.array([[0, 1, 2], [2, 300, 1]])
MEANT = [[IGNORE, 2, 0], [0, IGNORE, 2]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "train" / "scene" / "label"
    found.mkdir(parents=True)
    Image.fromarray(NUMBERS.astype(np.uint16)).save(found / "7.png")
    return found


def test_numbers_of_16_bits_are_matched_by_name(folder: Path) -> None:
    (folder / "classes.json").write_text(json.dumps(NAMES))
    found = open_soft_frames(folder, CLASSES)
    assert list(found.files) == ["7"]
    assert found.read("7").tolist() == MEANT
    assert found.foreign == ["lamp"]


@pytest.mark.parametrize("above", [0, 1, 2])
def test_what_tells_them_may_be_in_a_folder_above(folder: Path, above: int) -> None:
    place = [folder, *folder.parents][above]
    (place / "scannetv2-labels.combined.tsv").write_text(
        "id\traw_category\tnyu40id\n1\tchair\t5\n2\tfloor\t2\n300\tlamp\t35\n"
    )
    found = open_soft_frames(folder, SCANNET20)
    assert found.read("7").tolist() == [[-1, 4, 1], [1, -1, 4]]


def test_a_class_file_tells_them(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "names: [chair, floor, lamp]\nids: {1: chair, 2: floor, 300: lamp}\nignore: [0]\n"
    )
    assert open_soft_frames(folder, CLASSES, str(tmp_path / "mine.yaml")).read("7").tolist() == MEANT
    (tmp_path / "mine.yaml").write_text("names: [wall, chair, floor]\nignore: [300, -100]\n")
    assert open_soft_frames(folder, CLASSES, str(tmp_path / "mine.yaml")).read("7").tolist() == [[1, 2, 0], [0, -1, 2]]


def test_the_index_of_a_class_is_its_number(folder: Path) -> None:
    Image.fromarray(np.array([[0, 2, 255]], np.uint8)).save(folder / "8.png")
    found = open_soft_frames(folder, CLASSES, "index")
    assert found.read("8").tolist() == [[0, 2, IGNORE]]
    with pytest.raises(InputError, match=r"7\.png: number 300 at row 1, column 1 \(1 pixels\) means no class"):
        found.read("7")


def test_channels_of_probabilities_are_matched_by_name(folder: Path) -> None:
    values = np.random.default_rng(0).dirichlet(np.ones(4), (2, 3)).astype(np.float16)
    np.save(folder / "9.npy", values)
    (folder / "classes.json").write_text(json.dumps({"0": "wall", "1": "unlabeled", "2": "floor", "3": "wall"}))
    found = open_soft_frames(folder, CLASSES).read("9")
    np.testing.assert_allclose(found[..., 0], values[..., 2])
    np.testing.assert_allclose(found[..., 1], values[..., 0] + values[..., 3], rtol=1e-2)
    assert (found[..., 2] == 0).all()
    np.save(folder / "9.npy", values[..., :3])
    np.testing.assert_array_equal(open_soft_frames(folder, CLASSES, "index").read("9"), values[..., :3])


def test_frames_are_in_the_order_of_their_numbers(folder: Path) -> None:
    for name in ("10.png", "100.npy", "9.PNG", ".hidden", "classes.txt"):
        (folder / name).touch()
    assert list(open_soft_frames(folder, CLASSES, "index").files) == ["7", "9", "10", "100"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 3)), r"\(2, 3\) of float64; save probabilities"),
        (np.zeros((2, 3, 3), int), "int64; save probabilities"),
        (np.zeros((0, 3, 3)), "save probabilities"),
        (np.array([[[None]]]), "pickled objects; save probabilities"),
        (np.full((2, 3, 3), 0.4), "their sum is above 1; save probabilities"),
        (np.full((2, 3, 3), -0.1), "values of a pixel are below 0"),
        (np.full((2, 3, 3), np.nan), "values of a pixel are below 0"),
        (np.full((2, 3, 3), np.inf), "their sum is above 1"),
        (np.zeros((2, 3, 4)), "4 channels, but channel 3 means no class; add it to ids"),
    ],
)
def test_values_that_are_no_probabilities(folder: Path, values: np.ndarray, message: str) -> None:
    np.save(folder / "9.npy", values, allow_pickle=True)
    with pytest.raises(InputError, match=message) as refused:
        open_soft_frames(folder, CLASSES, "index").read("9")
    assert str(refused.value).startswith(f"{folder}/9.npy: ")


def test_damaged_files(folder: Path) -> None:
    np.save(folder / "9.npy", np.zeros((2, 3, 3)))
    for name in ("9.npy", "7.png"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) - 20])
        with pytest.raises(InputError, match=f"{name}: "):
            open_soft_frames(folder, CLASSES, "index").read(name[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(folder / "5.png", exif=exif)
    with pytest.raises(InputError, match=r"5\.png: its EXIF says to turn it"):
        open_soft_frames(folder, CLASSES, "index").read("5")


def test_numbers_that_nothing_tells(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"label: nothing says what its numbers mean; write a classes\.json there"):
        open_soft_frames(folder, CLASSES)
    (folder / "classes.json").write_text('{"0": "unlabeled", "1": "lamp"}')
    with pytest.raises(InputError, match=r"classes\.json: none of the classes .*lamp is one of floor, wall, chair"):
        open_soft_frames(folder, CLASSES)
    for name in ("none.json", "none.yaml", "none.tsv"):
        with pytest.raises(InputError, match=f"{name}: no such file"):
            open_soft_frames(folder, CLASSES, str(tmp_path / name))
