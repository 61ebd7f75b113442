"""Numbers out of range are refused by name, those that are no numbers with them."""

from __future__ import annotations

import math

import pytest

from pcseg.checks import above_zero, at_least_zero, from_zero_to_one
from pcseg.errors import InputError

NONE = (-0.1, math.nan, math.inf, -math.inf)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (at_least_zero, (0, 0.5, 7), NONE),
        (above_zero, (1e-9, 7), (0, *NONE)),
        (from_zero_to_one, (0, 0.3, 1), (1.01, *NONE)),
    ],
)
def test_what_is_out_of_range_is_named(check, good, bad):
    check(first=good[0], **{f"n{i}": value for i, value in enumerate(good)})
    for value in bad:
        with pytest.raises(InputError, match=f"^stage.weight={value:g}: give "):
            check(first=good[0], **{"stage.weight": value})
