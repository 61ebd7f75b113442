"""Numbers of a column of labels: which are classes, which are unknown, and the notes about those."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg.classes import IGNORE, Classes
from pcseg.vis.numbers import all_in, numbered, read_numbers, table_of, why_empty

KINDS = (np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64, np.float32, np.float64)
codes = st.lists(
    st.one_of(st.integers(0, 20), st.sampled_from([255, 300, 65535, 2**31, 2**24])), min_size=1, max_size=30
)


@given(codes, st.sampled_from(KINDS))
def test_each_number_that_occurs_is_a_class_and_comes_back(numbers: list[int], kind: type) -> None:
    numbers = [n for n in numbers if kind in (np.float32, np.float64) or n <= np.iinfo(kind).max] or [3]
    values = np.array(numbers).astype(kind)
    classes = numbered(values)
    labels, notes = read_numbers(values, table_of(classes), "a.las")
    wanted = set(numbers) - ({255} if max(numbers) == 255 else set())
    if wanted:
        assert classes.names == tuple(f"class {n}" for n in sorted(wanted))
    assert [classes.to_codes(labels)[i] if n in wanted else IGNORE for i, n in enumerate(numbers)] == [
        n if n in wanted else IGNORE for n in numbers
    ]
    assert (labels == IGNORE).tolist() == [n not in wanted for n in numbers]
    assert len(notes) == (max(numbers) == 255)


@pytest.mark.parametrize(
    ("values", "note_start"),
    [
        ([1, 2, -1], ""),
        ([1.0, math.nan], ""),
        ([1, -100, -100], "label -100 (2 points)"),
        ([1, 0.5], "label 0.5 (1 points)"),
        ([1, math.inf], "label inf"),
        ([1, 1e30], "label 1e+30"),
        ([1, 255], "label 255 (1 points)"),
        ([1, 255, 256], ""),
        ([1, -9, -8, -7, -6, -5], "label -9, -8, -7 and 2 more (5 points)"),
    ],
)
def test_numbers_that_are_no_class_are_unknown_with_a_note(values: list[float], note_start: str) -> None:
    array = np.array(values)
    labels, notes = read_numbers(array, table_of(numbered(array)), "scan.las")
    assert labels[0] == 0
    assert [note.startswith(f"scan.las: {note_start}") for note in notes] == [True] * bool(note_start)


def test_the_largest_numbers_of_64_bits() -> None:
    values = np.array([1, 2**64 - 1, 2**63 - 1], dtype=np.uint64)
    assert numbered(values).codes == ((1,), (2**63 - 1,))
    assert read_numbers(values, table_of(numbered(values)), "a")[0].tolist() == [0, IGNORE, 1]


def test_numbers_of_two_columns_share_their_classes() -> None:
    classes = numbered(np.array([2, 5]), None, np.array([5, 7]))
    assert classes.codes == ((2,), (5,), (7,))


def test_classes_with_codes_and_without() -> None:
    assert table_of(Classes(("a", "b"))) == {0: 0, 1: 1}
    table = table_of(Classes(("a", "b"), codes=((2, 9), (5,))))
    assert table == {2: 0, 9: 0, 5: 1}
    labels, notes = read_numbers(np.array([9, 5, 7, 0]), table, "a", unlabeled=(0,))
    assert labels.tolist() == [0, 1, IGNORE, IGNORE]
    assert notes == ["a: label 7 (1 points) means no class and is drawn as unknown"]
    assert all_in(np.array([2.0, math.nan, -1]), table)
    assert not all_in(np.array([2, 3]), table)


def test_a_note_on_a_million_numbers_is_one_short_line() -> None:
    notes = read_numbers(-np.arange(2, 1_000_000), {}, "a")[1]
    assert len(notes[0]) < 120


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([0, 0], "is 0"),
        ([-1, -1], "no class"),
        ([math.nan, -100], "no class"),
        ([0, 1], ""),
        ([0, -1], ""),
        ([3, 3], ""),
    ],
)
def test_a_column_of_zeros_is_no_truth(values: list[float], why: str) -> None:
    assert why in why_empty(np.array(values))
    assert bool(why_empty(np.array(values))) == bool(why)
