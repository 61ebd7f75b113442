"""Read the text of an option as the type declared for it: a text as it is, numbers, true or false, lists."""

from __future__ import annotations

import re
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pcseg.errors import InputError

TRUTHS = {
    **dict.fromkeys(("true", "yes", "on", "y", "1"), True),
    **dict.fromkeys(("false", "no", "off", "n", "0"), False),
}
WANTED = {int: "a whole number", float: "a number", bool: "true or false"}
# In quotes, or up to a comma that stands in no pair of brackets.
ELEMENT = re.compile(
    r"""\s*('[^']*'|"[^"]*"|(?:\[[^][]*\]|\([^()]*\)|\{[^{}]*\}|[^,])*?)\s*(,|\Z)""",
    re.DOTALL,
)
QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""", re.DOTALL)


def read(name: str, text: str, kind: Any) -> Any:
    """Return ``text``, given for option ``name``, as a ``kind``: str, int, float, bool, a list of one, or one or None.

    A str is taken as it is; ``null`` is None where ``kind`` allows None. Raises InputError for any other ``text``.
    """
    kind, optional = without_none(kind)
    if optional and text == "null":
        return None
    if get_origin(kind) is list:
        return [read(name, element, get_args(kind)[0]) for element in elements(name, text)]
    if kind is str:
        return text
    try:
        return TRUTHS[text.strip().lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        wanted = WANTED[kind] + (" or null" if optional else "")
        raise InputError(f"{name}={text}: give {wanted}") from error


def show(value: Any) -> str:
    """Return ``value`` as a user would type it."""
    if isinstance(value, list):
        return f"[{','.join(map(show, value))}]"
    return {"None": "null", "True": "true", "False": "false", "": "empty", "{}": "none"}.get(str(value), str(value))


def without_none(kind: Any) -> tuple[Any, bool]:
    """Return (X, True) for ``X | None`` and (kind, False) for any other type."""
    if get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind):
        return next(choice for choice in get_args(kind) if choice is not NoneType), True
    return kind, False


def elements(name: str, text: str) -> list[str]:
    """Return the elements of ``[a,b]``, ``a,b`` or ``a``, without blanks and quotes around them; ``[]`` has none.

    An element in quotes may hold commas and blanks. Raises InputError where an element is empty.
    """
    inner = text.strip()[1:-1] if is_bracketed(text) else text
    if is_bracketed(text) and not inner.strip():
        return []
    parts = split(inner)
    if not all(parts):
        raise InputError(f"{name}={text}: an element is empty; write [a,b], or [] for none")
    return [part[1:-1] if QUOTED.fullmatch(part) else part for part in parts]


def split(text: str) -> list[str]:
    """Split at commas outside quotes and brackets: ``a, 'b,c', [d,e]`` is ``a``, ``'b,c'`` and ``[d,e]``."""
    parts, separator, position = [], ",", 0
    while separator:
        match = ELEMENT.match(text, position)
        assert match is not None  # the end of the text always matches
        parts.append(match[1])
        separator, position = match[2], match.end()
    return parts


def is_bracketed(text: str) -> bool:
    """Return whether ``text`` is written as a list, ``[...]``."""
    return text.strip().startswith("[") and text.strip().endswith("]") and text.strip() != "["
