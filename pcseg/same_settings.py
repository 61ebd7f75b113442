"""Compare the settings of a folder that was begun earlier with those given now."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from pcseg.errors import InputError

LONGEST = 120
"""Characters of a setting that a message shows."""


def check_same(place: object, before: Any, now: dict[str, Any], remedy: str) -> None:
    """Raise InputError where the settings ``before`` of what stands at ``place`` differ from those given ``now``.

    Both are JSON; the message names each setting that differs with its value then and now, and ends with ``remedy``.
    """
    before = before if isinstance(before, dict) else {}
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    pairs = {name: _without_common(before.get(name), now.get(name)) for name in names}
    if pairs:
        changed = ", ".join(f"{name} was {_short(old)}, now {_short(new)}" for name, (old, new) in pairs.items())
        raise InputError(f"{place}: begun with other settings ({changed}); {remedy}")


def flat(value: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Return ``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    found: dict[str, Any] = {}
    for key, part in value.items():
        found |= flat(part, f"{path}{key}.") if isinstance(part, dict) else {f"{path}{key}": part}
    return found


def _without_common(before: Any, now: Any) -> tuple[Any, Any]:
    """Return two values without what they have in common, where they are tables or lists."""
    if isinstance(before, dict) and isinstance(now, dict):
        before, now = ({k: v for k, v in a.items() if b.get(k) != v} for a, b in ((before, now), (now, before)))
    if isinstance(before, list) and isinstance(now, list):
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False)))
        before, now = (["..."] * (same > 0) + values[same:] for values in (before, now))
    return before, now


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
