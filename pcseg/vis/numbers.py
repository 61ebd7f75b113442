"""What the numbers in a column of labels mean to a view, which shows also those that mean nothing to training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pcseg.classes import IGNORE, Classes

UNLABELED = 255
"""The number that usually means unlabeled where no other is higher."""

SHOWN = 3
"""Numbers that a note names before it counts the rest."""


def numbered(*columns: np.ndarray | None) -> Classes:
    """A class for each number that occurs in any of ``columns``, (P,) each or None: "class 2" with the code 2.

    NaN, negative numbers and fractions are no classes, nor is UNLABELED where it is the highest number.
    """
    found: set[int] = set()
    for values in columns:
        there = [] if values is None else np.unique(values).tolist()
        found.update(int(number) for number in there if _is_code(number))
    if found and max(found) == UNLABELED:
        found.remove(UNLABELED)
    codes = sorted(found) or [0]
    return Classes(tuple(f"class {code}" for code in codes), codes=tuple((code,) for code in codes))


def table_of(classes: Classes) -> dict[int, int]:
    """The label of each number in files of ``classes``: by their codes, else each number is a label itself."""
    codes = classes.codes or [(k,) for k in range(len(classes))]
    return {code: label for label, numbers in enumerate(codes) for code in numbers}


def read_numbers(
    values: np.ndarray, table: Mapping[int, int], where: str, unlabeled: Iterable[int] = ()
) -> tuple[np.ndarray, list[str]]:
    """Labels (P,) int64 of the numbers ``values`` (P,) by ``table``, and a note on those that it lacks, which become IGNORE.

    -1, NaN and ``unlabeled`` become IGNORE without a note.
    """
    numbers, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    labels = np.array([table.get(number, IGNORE) for number in numbers.tolist()], dtype=np.int64)
    known = {*table, *unlabeled, IGNORE}
    strange = [k for k, number in enumerate(numbers.tolist()) if number == number and number not in known]
    notes = []
    if strange:
        named = ", ".join(_text(numbers[k].item()) for k in strange[:SHOWN])
        more = f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else ""
        count = int(counts[strange].sum())
        notes.append(f"{where}: label {named}{more} ({count:,} points) means no class and is drawn as unknown")
    return labels[inverse.reshape(-1)], notes


def understood(values: np.ndarray, table: Mapping[int, int]) -> bool:
    """Whether each number of ``values`` (P,), but for -1 and NaN, is in ``table``."""
    return all(number in table or number == IGNORE or number != number for number in np.unique(values).tolist())


def says_nothing(values: np.ndarray) -> str:
    """Why a column of labels (P,) is no ground truth: nothing but 0, as where no class was ever given, or no class at all; else ""."""
    if (values == 0).all():
        return "is 0 at every point"
    if not any(_is_code(number) for number in np.unique(values).tolist()):
        return "names no class at any point"
    return ""


def _is_code(number: float) -> bool:
    return number >= 0 and number < 2**63 and number == int(number)


def _text(number: float) -> str:
    whole = abs(number) < 2**63 and number == int(number)
    return str(int(number)) if whole else f"{number:g}"
