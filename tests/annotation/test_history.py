"""Labels by replay, against a model that keeps a whole copy of the labels for each step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.annotation.history import History
from pcseg.errors import InputError

CLASSES = ("floor", "wall", "chair")
POINTS = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)
ENTRIES = st.one_of(
    st.builds(
        lambda points, k: {"kind": "label", "points": points, "class": k, "how": "click", "seconds": 2},
        POINTS,
        st.sampled_from(CLASSES),
    ),
    st.builds(lambda points: {"kind": "erase", "points": points, "seconds": 1}, POINTS),
    st.just({"kind": "undo", "seconds": 1}),
    st.just({"kind": "redo", "seconds": 1}),
    st.just({"kind": "note", "text": "look"}),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ENTRIES, max_size=25))
def test_labels_are_those_of_a_model_that_copies_them(entries: list[dict[str, Any]]) -> None:
    history = History(10, CLASSES)
    past: list[dict[int, int]] = [{}]
    future: list[dict[int, int]] = []
    for entry in entries:
        kind, now = entry["kind"], dict(past[-1])
        if (kind == "undo" and len(past) == 1) or (kind == "redo" and not future):
            with pytest.raises(InputError, match="there is nothing to"):
                history.check(entry)
            continue
        history.check(entry)
        before = dict(history.labels)
        changed = history.apply(entry)
        if kind == "undo":
            future.append(past.pop())
        elif kind == "redo":
            past.append(future.pop())
        elif kind in ("label", "erase"):
            for point in entry["points"]:
                now.pop(point, None)
                if kind == "label":
                    now[point] = CLASSES.index(entry["class"])
            past.append(now)
            future.clear()
        assert history.labels == past[-1]
        assert {p for p in before.keys() | past[-1].keys() if before.get(p) != past[-1].get(p)} <= changed.keys()
        assert all(past[-1].get(point) == k for point, k in changed.items())
    assert len(history.done) == len(past) - 1


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "label", "points": [10], "class": "wall", "how": "click"},
        {"kind": "label", "points": [-1], "class": "wall", "how": "click"},
        {"kind": "label", "points": [True], "class": "wall", "how": "click"},
        {"kind": "label", "points": [1.0], "class": "wall", "how": "click"},
        {"kind": "label", "points": [], "class": "wall", "how": "click"},
        {"kind": "label", "points": "1", "class": "wall", "how": "click"},
        {"kind": "label", "points": [1], "class": "door", "how": "click"},
        {"kind": "label", "points": [1], "class": ["wall"], "how": "click"},
        {"kind": "label", "points": [1], "class": "wall", "how": "spread"},
        {"kind": "label", "points": [1], "class": "wall", "how": "click", "seconds": -1},
        {"kind": "label", "points": [1], "class": "wall", "how": "click", "seconds": 1e9},
        {"kind": "erase", "points": [1] * 20_001},
        {"kind": "note", "text": ""},
        {"kind": "note", "text": "x" * 2001},
        {"kind": "note", "text": "x", "point": 10},
        {"kind": "drop"},
        {"kind": []},
        {},
    ],
)
def test_an_entry_that_does_not_fit_is_refused(entry: dict[str, Any]) -> None:
    history = History(10, CLASSES)
    with pytest.raises(InputError):
        history.check(entry)
    assert not history.labels
    assert not history.done


def test_time_and_ids_are_kept() -> None:
    history = History(10, CLASSES)
    for entry in ({"kind": "note", "text": "a", "seconds": 3, "id": "n"}, {"kind": "time", "seconds": 4.5, "id": "t"}):
        history.check(entry)
        history.apply(entry)
    assert history.seconds == 7.5
    assert history.seen == {"n", "t"}
