"""Frames of scenes as pictures: names, splits, classes by name in classes.json or in ScanNet's table.

Bad input and its message: no frame; nothing that names the numbers; a malformed classes.json or table; a number that
it lacks; a mask of another size; names of no class; scenes that no list has, or that are missing.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE, S3DIS, SCANNET20, Classes
from pcseg.datasets import open_dataset
from pcseg.datasets.frames import FramesReader, open_frames
from pcseg.errors import InputError
from tests.datasets.picture_files import mask, picture

NAMES = {"0": "unlabeled", "1": "wall", "2": "floor", "5": "chair"}
TABLE = "id\traw_category\tnyu40id\n1\twall\t1\n2\tchair\t5\n1163\tobject\t40\n21\tbox\t29\n"


def scene(folder: Path, numbers: list[int], names: dict[str, str] | None = None, label: str = "label") -> np.ndarray:
    """Write two frames, the second without labels; returns the numbers in the first (H, W)."""
    for i in range(2):
        picture(folder / f"color/{i}.jpg", i)
    found = mask(folder / label / "0.png", numbers, kind=np.uint16)
    if names is not None:
        (folder / label / "classes.json").write_text(json.dumps(names))
    return found


def test_numbers_are_matched_by_name(tmp_path: Path) -> None:
    numbers = scene(tmp_path / "Area_1/office_1", [0, 1, 2, 5], NAMES)
    scene(tmp_path / "Area_2/office_1", [0], NAMES)
    reader = open_dataset(str(tmp_path))
    assert reader == FramesReader(str(tmp_path), S3DIS)
    assert reader.scenes() == [f"Area_{a}/office_1_{i}" for a in (1, 2) for i in (0, 1)]
    found, defects = reader.read("Area_1/office_1_0")
    assert defects == []
    expected = {0: IGNORE, 1: S3DIS.index("wall"), 2: S3DIS.index("floor"), 5: S3DIS.index("chair")}
    assert found.segment is not None
    assert found.segment.tolist() == [expected[number] for number in numbers.reshape(-1).tolist()]
    assert found.labels_from == "label, named by classes.json"
    assert reader.read("Area_1/office_1_1")[0].segment is None
    assert [d.found for d in reader.remarks()] == [
        f"Area_{a}: 1 of 2 pictures have no mask, Area_{a}/office_1_1 first" for a in (1, 2)
    ]


def test_scannet_raw_ids(tmp_path: Path) -> None:
    numbers = scene(tmp_path / "scans/scene0000_00", [0, 1, 2, 1163, 21], label="label-filt")
    picture(tmp_path / "scans_test/scene0707_00/color/0.jpg")
    (tmp_path / "scannetv2-labels.combined.tsv").write_text(TABLE)
    reader = open_dataset(str(tmp_path))
    assert isinstance(reader, FramesReader)
    assert reader.classes == SCANNET20
    assert reader.scenes() == ["test/scene0707_00_0", "train/scene0000_00_0", "train/scene0000_00_1"]
    found, _ = reader.read("train/scene0000_00_0")
    expected = {1: SCANNET20.index("wall"), 2: SCANNET20.index("chair")}
    assert found.segment is not None
    assert found.segment.tolist() == [expected.get(number, IGNORE) for number in numbers.reshape(-1).tolist()]


def test_given_lists_and_classes(tmp_path: Path) -> None:
    for area in (1, 2):
        scene(tmp_path / f"raw/Area_{area}/office_1", [1], {"1": "wall", "2": "lamp"})
    scene(tmp_path / "raw/Area_2/hall_1", [2], {"1": "wall", "2": "lamp"})
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/train.txt").write_text("Area_1/office_1\nArea_9/office_1\n")
    (tmp_path / "lists/scannetv2_val.txt").write_text("Area_2/office_1\n")
    reader = open_frames(str(tmp_path / "raw"), Classes(("floor", "wall")), str(tmp_path / "lists"))
    assert reader.scenes() == [f"{s}/Area_{a}_office_1_{i}" for s, a in (("train", 1), ("val", 2)) for i in (0, 1)]
    assert set(np.asarray(reader.read("val/Area_2_office_1_0")[0].segment)) == {1}
    told = [f"{defect.found}; {defect.action}" for defect in reader.remarks()]
    assert told[:3] == [
        "'lamp' is none of the classes (in 3 such files); unlabeled",
        "train: 1 of the 2 listed scenes have no frames here, Area_9/office_1 first; prepared without them",
        "1 scenes are in none of the lists, hall_1 first; not used",
    ]


def test_other_classes_are_taken_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    scene(tmp_path / "plot", [4], {"9": "tree", "4": "lamp", "0": "unlabeled"})
    reader = open_frames(str(tmp_path))
    assert reader.classes.names == ("lamp", "tree")
    assert reader.scenes() == ["train/plot_0", "train/plot_1"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, r"label: nothing says what its numbers mean; write a classes\.json there, or put scannetv2-labels"),
        ("[]", r"classes\.json: no table of names; write one like"),
        ('{"one": "wall"}', r"classes\.json: one: 'wall' is no number with a name; write them like"),
        ('{"1": 2}', r"classes\.json: 1: 2 is no number with a name"),
        ("{", r"classes\.json: not a readable JSON file"),
    ],
)
def test_numbers_without_names(tmp_path: Path, names: str | None, message: str) -> None:
    scene(tmp_path / "a", [1])
    if names is not None:
        (tmp_path / "a/label/classes.json").write_text(names)
    with pytest.raises(InputError, match=message):
        open_frames(str(tmp_path))


@pytest.mark.parametrize("text", ["", "id\tother\n1\t2\n", "id\tnyu40id\nx\t1\n"])
def test_a_table_that_is_none(tmp_path: Path, text: str) -> None:
    scene(tmp_path / "a", [1])
    (tmp_path / "scannetv2-labels.combined.tsv").write_text(text)
    with pytest.raises(InputError, match=r"combined\.tsv: no columns id and nyu40id; download the table again"):
        open_frames(str(tmp_path))


def test_classes_that_have_no_name_in_common(tmp_path: Path) -> None:
    scene(tmp_path / "a", [1], {"0": "unlabeled", "1": "lamp"})
    with pytest.raises(
        InputError, match="none of the classes unlabeled, lamp is one of road, car; check the class names"
    ):
        open_frames(str(tmp_path), Classes(("road", "car"))).read("train/a_0")


def test_frames_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no <scene>/color/<i>\.jpg here; give the folder of the areas or scenes"):
        open_frames(str(tmp_path)).scenes()
    scene(tmp_path / "a", [1, 2, 7], NAMES)
    with pytest.raises(InputError, match=r"label/0\.png: number 7 at row 0, column 2 .* add it to .*classes\.json"):
        open_frames(str(tmp_path)).read("train/a_0")
    mask(tmp_path / "a/label/0.png", [1], size=(3, 4))
    with pytest.raises(InputError, match=r"label/0\.png: 4 x 3 pixels, but 0\.jpg has 8 x 6; save the mask"):
        open_frames(str(tmp_path)).read("train/a_0")
