"""Labels of a file turned into classes by classes.yaml, and labels of no class refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from pcseg.classes import IGNORE
from pcseg.datasets.class_file import LARGEST, ClassFile
from pcseg.errors import InputError
from tests.datasets.class_files import class_files


@given(meant=class_files())
@settings(max_examples=150, deadline=None)
def test_codes_are_the_numbers_of_the_files_and_stand_for_one_class_each(meant: ClassFile) -> None:
    classes = meant.classes
    if not meant.ids:
        assert classes.codes == ()
        return
    everything = [code for numbers in classes.codes for code in numbers]
    assert len(set(everything)) == len(everything)
    assert not set(everything) & {*meant.ignore, IGNORE}
    for name, numbers in zip(meant.names, classes.codes, strict=True):
        own = tuple(number for number, named in meant.ids.items() if named == name)
        assert numbers == own or (not own and len(numbers) == 1 and numbers[0] >= 0)
    labels = meant.segment(np.array(list(meant.ids)), "here")
    assert [classes.names[i] for i in labels] == list(meant.ids.values())


def test_a_class_without_a_number_gets_the_smallest_free_one() -> None:
    meaning = ClassFile(
        ("ground", "facade", "roof", "tree", "car"), ids={2: "ground", 5: "tree", 6: "roof", 9: "ground"}, ignore=(0, 1)
    )
    assert meaning.classes.codes == ((2, 9), (3,), (6,), (5,), (4,))
    with pytest.raises(InputError, match=r"label 3 \(1 points, first is 1\) means no class"):
        meaning.segment(np.array([2, 3]), "a.las")


@pytest.mark.parametrize("value", [2.5, 1e300, -1e300, np.inf, -np.inf, 2.0**60, -2, 3])
def test_a_number_of_no_class_is_refused(value: float) -> None:
    meaning = ClassFile(("a", "b", "c"))
    values = np.array([0, np.nan, value, 1, value])
    with pytest.raises(
        InputError, match=r"a\.ply: label .* \(2 points, first is 2\) (means no class|is no whole number)"
    ) as caught:
        meaning.segment(values, "a.ply")
    assert f"label {value:g} " in str(caught.value) or f"label {value} " in str(caught.value)


@pytest.mark.parametrize(
    "kind", ["uint8", "int8", "int64", "uint64", "float32", "float64", "longdouble", "float16", "bool"]
)
def test_labels_of_every_type_are_read(kind: str) -> None:
    meaning = ClassFile(("a", "b"), ids={1: "a", 0: "b"})
    assert meaning.segment(np.array([1, 0, 1], dtype=kind), "here").tolist() == [0, 1, 0]
    assert meaning.segment(np.zeros(0, dtype=kind), "here").tolist() == []


def test_large_whole_numbers_stay_distinct() -> None:
    meaning = ClassFile(("a", "b"), ids={LARGEST: "a", LARGEST - 1: "b"})
    assert meaning.segment(np.array([LARGEST - 1, LARGEST]), "here").tolist() == [1, 0]
    for value in (2**60 + 1, 2**63):
        with pytest.raises(InputError, match=f"label {value} "):
            meaning.segment(np.array([LARGEST, value], dtype=np.uint64), "here")


@pytest.mark.parametrize("values", [np.array(["a", "b"]), np.array([None, 1], dtype=object), np.array([1j])])
def test_labels_that_are_no_numbers_are_refused(values: np.ndarray) -> None:
    with pytest.raises(InputError, match="its labels are no numbers"):
        ClassFile(("a", "b")).segment(values, "here")


@pytest.mark.parametrize("labels", [[-1, -1, -1], [-1, 1, -1]])
def test_all_ignore_and_one_label(labels: list[int]) -> None:
    meaning = ClassFile(("a", "b"))
    assert meaning.segment(np.array(labels), "here").tolist() == labels
    nan = np.where(np.array(labels) == IGNORE, np.nan, labels)  # as CloudCompare marks points without a value
    assert meaning.segment(nan, "here").tolist() == labels
