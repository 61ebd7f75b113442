"""Parts that files of labels and of tags share: one-line errors, checks and text of where a budget comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pcseg.errors import InputError, reason


@contextmanager
def reading(path: str | os.PathLike[str], kind: str) -> Iterator[None]:
    """Raise InputError, which begins with ``path``, for a missing file and for any exception raised while reading it.

    ``kind`` says what it should be, "label" or "tag".
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such {kind} file; make it with tools/draw_labels.py")
    try:
        yield
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(str(path)) else f"{path}: {message}") from error
    except Exception as error:  # a file that was not written here fails in several ways; all mean the same to the user
        raise InputError(
            f"{path}: not a readable {kind} file ({type(error).__name__}: {reason(error)}); copy or draw it again"
        ) from error


def check_origin(rule: object, parameters: object, seed: object) -> None:
    """Raise TypeError unless a budget's rule is a text, its parameters a table and its seed a whole number or None."""
    if not (isinstance(rule, str) and isinstance(parameters, dict) and isinstance(seed, int | None)):
        raise TypeError("rule, parameters or seed are of another type")


def rule_text(rule: str, parameters: dict[str, Any], seed: int | None) -> str:
    """Return a budget's rule, parameters and seed as one line, e.g. ``uniform, fraction=0.01, seed=0``."""
    values = [f"{name}={value}" for name, value in sorted(parameters.items())]
    return ", ".join([rule, *values] + ([] if seed is None else [f"seed={seed}"]))
