"""Turn a column of numbers into class labels for a view; numbers of no class are drawn as unknown, with a note."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pcseg.classes import IGNORE, Classes

UNLABELED = 255
"""Means unlabeled, by convention, if it is the highest number of a column."""

MOST_NAMED = 3
"""Numbers that a note lists; of more, the rest is counted."""


def numbered(*columns: np.ndarray | None) -> Classes:
    """Return a class for each number in any of ``columns``, (P,) each or None: "class 2" with the code 2.

    NaN, negative numbers and fractions get no class, nor does UNLABELED if it is the highest number.
    """
    codes: set[int] = set()
    for values in columns:
        if values is not None:
            codes.update(int(number) for number in np.unique(values).tolist() if _is_code(number))
    if codes and max(codes) == UNLABELED:
        codes.remove(UNLABELED)
    ordered = sorted(codes) or [0]
    return Classes(tuple(f"class {code}" for code in ordered), codes=tuple((code,) for code in ordered))


def table_of(classes: Classes) -> dict[int, int]:
    """Return the label of each number in the files of ``classes``: by their codes, else each number is the label."""
    codes = classes.codes or [(k,) for k in range(len(classes))]
    return {code: label for label, numbers in enumerate(codes) for code in numbers}


def read_numbers(
    values: np.ndarray, table: Mapping[int, int], where: str, unlabeled: Iterable[int] = ()
) -> tuple[np.ndarray, list[str]]:
    """Return the labels (P,) int64 of the numbers ``values`` (P,) by ``table``, and notes, which begin with ``where``.

    Numbers that are not in the table become IGNORE, with a note; -1, NaN and ``unlabeled`` without.
    """
    numbers, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    labels = np.array([table.get(number, IGNORE) for number in numbers.tolist()], dtype=np.int64)
    known = {*table, *unlabeled, IGNORE}
    foreign = [k for k, number in enumerate(numbers.tolist()) if number == number and number not in known]
    notes = []
    if foreign:
        named = ", ".join(_text(numbers[k].item()) for k in foreign[:MOST_NAMED])
        more = f" and {len(foreign) - MOST_NAMED} more" if len(foreign) > MOST_NAMED else ""
        count = int(counts[foreign].sum())
        notes.append(f"{where}: label {named}{more} ({count:,} points) means no class and is drawn as unknown")
    return labels[inverse.reshape(-1)], notes


def all_in(values: np.ndarray, table: Mapping[int, int]) -> bool:
    """Return whether all numbers of ``values`` (P,) except -1 and NaN are in ``table``."""
    return all(number in table or number == IGNORE or number != number for number in np.unique(values).tolist())


def why_empty(values: np.ndarray) -> str:
    """Return why a column of labels (P,) holds no ground truth: 0 at every point, or no class at any; "" if it does."""
    if (values == 0).all():
        return "is 0 at every point"
    if not any(_is_code(number) for number in np.unique(values).tolist()):
        return "holds no class at any point"
    return ""


def _is_code(number: float) -> bool:
    return number >= 0 and number < 2**63 and number == int(number)


def _text(number: float) -> str:
    whole = abs(number) < 2**63 and number == int(number)
    return str(int(number)) if whole else f"{number:g}"
