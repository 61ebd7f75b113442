"""Which coordinates stand for a place, whatever their type of number."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from pcseg.scenes.places import FARTHEST, usable

KINDS = [np.float16, np.float32, np.float64, np.longdouble]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_nan_and_infinity_are_no_place(kind: type, value: float, axis: int) -> None:
    coord = np.ones((3, 3), dtype=kind)
    coord[1, axis] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert usable(coord).tolist() == [True, False, True]


@pytest.mark.parametrize("value", [3.4028235e38, 1e30, 1e19, -1e13])
def test_marks_of_no_value_are_no_place(value: float) -> None:
    for kind in (np.float32, np.float64):
        assert usable(np.array([[0, 0, value], [0, 0, 0]], dtype=kind)).tolist() == [False, True]


def test_the_limit_and_whole_numbers() -> None:
    assert usable(np.array([[FARTHEST, 0, 0], [-FARTHEST, 0, 0]])).all()
    assert usable(np.array([[-(2**63), 0, 0], [5, 6, 7]])).tolist() == [False, True]
    assert usable(np.zeros((0, 3))).shape == (0,)
