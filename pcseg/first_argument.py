"""What a function takes, by the type that it declares for its first argument."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_origin


def first_type(function: Callable[..., Any]) -> Any:
    """Return the class of the first argument of ``function``, None where it declares none or one that is not there."""
    try:
        first = next(iter(inspect.signature(function, eval_str=True).parameters.values()), None)
    except (AttributeError, NameError, SyntaxError, TypeError, ValueError):
        return None
    if first is None or first.annotation is first.empty:
        return None
    return get_origin(first.annotation) or first.annotation
