"""Cityscapes: names with the city, label ids by class name, the hidden masks of test.

Bad input and its message: no picture; a number that is no label id; pictures and masks that are alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.datasets import open_dataset
from pcseg.datasets.cityscapes import CITYSCAPES, CityscapesReader
from pcseg.errors import InputError
from tests.datasets.picture_files import mask, picture

TRAIN_IDS = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13,
             27: 14, 28: 15, 31: 16, 32: 17, 33: 18}  # fmt: skip
"""Train id of each label id in the benchmark's scripts."""


def frame(root: Path, name: str, numbers: list[int] | None, above: tuple[str, str] = ("", "")) -> np.ndarray | None:
    """Write the frame ``split/city/name`` with a mask of ``numbers``; ``above``: folders of the archives."""
    picture(root / above[0] / f"leftImg8bit/{name}_leftImg8bit.png")
    path = root / above[1] / f"gtFine/{name}_gtFine_labelIds.png"
    return None if numbers is None else mask(path, numbers)


@pytest.mark.parametrize("above", [("", ""), ("leftImg8bit_trainvaltest", "gtFine_trainvaltest")])
def test_label_ids_become_train_ids(tmp_path: Path, above: tuple[str, str]) -> None:
    numbers = frame(tmp_path, "train/aachen/aachen_000000_000019", [*range(34), 255], above)
    frame(tmp_path, "val/bonn/000001", [7], above)
    reader = open_dataset(str(tmp_path))
    assert isinstance(reader, CityscapesReader)
    assert reader.scenes() == ["train/aachen_000000_000019", "val/bonn_000001"]
    assert reader.remarks() == []
    scene, defects = reader.read("train/aachen_000000_000019")
    assert defects == []
    assert numbers is not None
    expected = [TRAIN_IDS.get(number, IGNORE) for number in numbers.reshape(-1).tolist()]
    assert scene.segment is not None
    assert scene.segment.tolist() == expected
    assert scene.classes[13] == "car"
    assert CITYSCAPES.to_codes(np.array([0, 18, IGNORE])).tolist() == [7, 33, IGNORE]


def test_masks_of_test_are_dummies(tmp_path: Path) -> None:
    frame(tmp_path, "test/berlin/berlin_1", [1, 3])
    frame(tmp_path, "train/ulm/ulm_1", None)
    mask(tmp_path / "gtFine/train/ulm/ulm_2_gtFine_labelIds.png", [7])
    reader = CityscapesReader(str(tmp_path))
    assert reader.read("test/berlin_1")[0].segment is None
    assert [defect.found for defect in reader.remarks()] == [
        "the masks of test are dummies",
        "test: 1 of 1 pictures have no mask, test/berlin_1 first",
        "train: 1 of 1 pictures have no mask, train/ulm_1 first",
        "train: 1 masks have no picture, train/ulm_2 first",
    ]


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no leftImg8bit/<split>/<city>/\*_leftImg8bit\.png here; give the folder"):
        CityscapesReader(str(tmp_path)).scenes()
    frame(tmp_path, "train/ulm/ulm_1", [7, 34])
    with pytest.raises(InputError, match=r"labelIds\.png: number 34 at row 0, column 1 .* label ids are 0 to 33; give"):
        CityscapesReader(str(tmp_path)).read("train/ulm_1")
