"""Settings of a folder that was begun earlier: equal ones pass, others are named with both values."""

from __future__ import annotations

from typing import Any

import pytest

from pcseg.errors import InputError
from pcseg.same_settings import LONGEST, check_same, flat


@pytest.mark.parametrize(
    ("before", "now", "named"),
    [
        ({"a": 1}, {"a": 2}, "a was 1, now 2"),
        ({"a": 1, "b": 2}, {"a": 1}, "b was 2, now None"),
        ({"a": 1}, {"a": 1, "b": 2}, "b was None, now 2"),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1, "y": 3}}, "a was {'y': 2}, now {'y': 3}"),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, "a was ['...', 2], now ['...', 3, 4]"),
        ([], {"a": 1}, "a was None, now 1"),
        ({"a": "x" * 1000}, {"a": 0}, f"a was '{'x' * (LONGEST - 1)}..., now 0"),
    ],
)
def test_settings_that_differ_are_named(before: Any, now: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as caught:
        check_same("folder", before, now, "give another output")
    assert str(caught.value) == f"folder: begun with other settings ({named}); give another output"


def test_equal_settings_pass() -> None:
    for settings in ({}, {"a": [1, {"b": None}]}):
        check_same("folder", settings, dict(settings), "")


def test_flat_names_tables_within_tables() -> None:
    assert flat({"a": {"b": 1, "c": {"d": [2]}}, "e": {}, "f": None}) == {"a.b": 1, "a.c.d": [2], "f": None}
