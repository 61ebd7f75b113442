"""Replay the entries of a log into labels: who labeled which points how, undone and redone without limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pcseg.errors import InputError, cut

WAYS = ("click", "accept", "brush", "lasso", "box", "piece")
"""How a person may label points."""

LONGEST_NOTE = 2000
"""Letters of a note."""

MOST_POINTS = 20_000
"""Points of one entry."""

MOST_SECONDS = 3600.0
"""Seconds of work that one entry may add."""


@dataclass
class Step:
    """A change that can be undone: its entry, and the class that each of its points had before, None for none."""

    entry: Mapping[str, Any]
    before: dict[int, int | None]


@dataclass
class History:
    """The labels that people gave to a scene of ``points`` points, never those that spread.

    ``labels``: the class index of each labeled point, by the point's number. ``done`` and ``undone``: the steps in
    order. ``notes``: their entries. ``seconds``: time spent. ``seen``: ids of the entries, so that none counts twice.
    ``strokes``: points that got their last label together with others, and are drawn smaller.
    """

    points: int
    classes: tuple[str, ...]
    labels: dict[int, int] = field(default_factory=dict)
    done: list[Step] = field(default_factory=list)
    undone: list[Step] = field(default_factory=list)
    notes: list[Mapping[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    seen: set[str] = field(default_factory=set)
    strokes: set[int] = field(default_factory=set)

    def check(self, entry: Mapping[str, Any]) -> None:
        """Raise InputError for an entry that cannot be applied now; nothing changes."""
        kind = entry.get("kind")
        if not isinstance(kind, str) or kind not in _CHECKS:
            raise InputError(f"entry: kind {cut(repr(kind), 40)} is not one of {', '.join(_CHECKS)}")
        _CHECKS[kind](self, entry)
        seconds = entry.get("seconds", 0.0)
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= MOST_SECONDS:
            raise InputError(f"entry: seconds {cut(repr(seconds), 40)} are not from 0 to {MOST_SECONDS:g}")

    def apply(self, entry: Mapping[str, Any]) -> dict[int, int | None]:
        """Apply a checked entry; return the new class of each point that it touches, None where it has none now."""
        self.seen.add(str(entry.get("id", "")))
        self.seconds += float(entry.get("seconds", 0.0))
        kind = entry["kind"]
        if kind == "note":
            self.notes.append(entry)
        if kind in ("label", "erase"):
            new = self.classes.index(entry["class"]) if kind == "label" else None
            changed: dict[int, int | None] = dict.fromkeys(entry["points"], new)
            (self.strokes.update if len(changed) > 1 else self.strokes.difference_update)(changed)
            self.done.append(Step(entry, self._set(changed)))
            self.undone.clear()
            return changed
        if kind == "undo":
            step = self.done.pop()
            changed, step.before = step.before, self._set(step.before)
            self.undone.append(step)
            return changed
        if kind == "redo":
            step = self.undone.pop()
            changed, step.before = step.before, self._set(step.before)
            self.done.append(step)
            return changed
        return {}

    def _set(self, classes: Mapping[int, int | None]) -> dict[int, int | None]:
        """Give points their classes and return those they had."""
        before = {point: self.labels.get(point) for point in classes}
        for point, k in classes.items():
            if k is None:
                self.labels.pop(point, None)
            else:
                self.labels[point] = k
        return before

    def _check_points(self, entry: Mapping[str, Any]) -> None:
        points = entry.get("points")
        if not isinstance(points, list) or not 0 < len(points) <= MOST_POINTS:
            raise InputError(f"entry: points must be a list of 1 to {MOST_POINTS:,} numbers")
        for point in points:
            if type(point) is not int or not 0 <= point < self.points:
                raise InputError(f"entry: there is no point {cut(repr(point), 40)}, only 0 to {self.points - 1}")

    def _check_label(self, entry: Mapping[str, Any]) -> None:
        self._check_points(entry)
        if entry.get("class") not in self.classes:
            raise InputError(
                f"entry: class {cut(repr(entry.get('class')), 60)} is not one of {cut(', '.join(self.classes), 200)}; "
                "name it in classes"
            )
        if entry.get("how") not in WAYS:
            raise InputError(f"entry: how {cut(repr(entry.get('how')), 40)} is not one of {', '.join(WAYS)}")

    def _check_undo(self, entry: Mapping[str, Any]) -> None:
        if not self.done:
            raise InputError("there is nothing to undo")

    def _check_redo(self, entry: Mapping[str, Any]) -> None:
        if not self.undone:
            raise InputError("there is nothing to redo")

    def _check_note(self, entry: Mapping[str, Any]) -> None:
        text, point = entry.get("text"), entry.get("point")
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST_NOTE:
            raise InputError(f"entry: a note must be a text of 1 to {LONGEST_NOTE} letters")
        if point is not None:
            self._check_points({"points": [point]})

    def _check_time(self, entry: Mapping[str, Any]) -> None:
        return


_CHECKS = {
    "label": History._check_label, "erase": History._check_points, "undo": History._check_undo,
    "redo": History._check_redo, "note": History._check_note, "time": History._check_time,
}  # fmt: skip
