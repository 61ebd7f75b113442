"""Check values that a user gave."""

from __future__ import annotations

import math
from collections.abc import Collection

from pcseg.errors import InputError


def at_least_zero(**values: float) -> None:
    """Raise InputError, naming it, for the first of ``values`` that is below 0, infinite or no number."""
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise InputError(f"{name}={value:g}: give 0 or more")


def above_zero(**values: float) -> None:
    """Raise InputError, naming it, for the first of ``values`` that is not above 0, infinite or no number."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise InputError(f"{name}={value:g}: give a number above 0")


def from_zero_to_one(**values: float) -> None:
    """Raise InputError, naming it, for the first of ``values`` that is not from 0 to 1."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise InputError(f"{name}={value:g}: give 0 to 1")


def one_of(name: str, value: str, choices: Collection[str]) -> None:
    """Raise InputError where ``value`` is not one of ``choices``."""
    if value not in choices:
        raise InputError(f"{name}={value}: must be one of {', '.join(choices)}")
