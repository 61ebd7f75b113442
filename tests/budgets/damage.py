"""Damaged label, tag and click files, and the check of the line with which they are refused."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from pcseg.errors import InputError

T = TypeVar("T")


def refused(read: Callable[[], object], path: Path | None = None) -> str:
    """Check that ``read`` raises an InputError of one printable line that begins with ``path``; return the line."""
    with pytest.raises(InputError) as error:
        read()
    return _checked(str(error.value), path)


def read_or_refused(path: Path, read: Callable[[], T]) -> T | None:
    """Return what ``read`` returns, or None if it refuses ``path`` as `refused` checks."""
    try:
        return read()
    except InputError as error:
        _checked(str(error), path)
    return None


def _checked(message: str, path: Path | None) -> str:
    assert message.startswith(str(path or ""))
    assert message.isprintable()
    assert len(message) < 1000
    return message


def damaged(content: bytes, draw: random.Random, pieces: Sequence[bytes]) -> bytes:
    """Return ``content`` with one to four random changes: a bit, a cut, a repeated part, or one of ``pieces``."""
    raw = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at, kind = draw.randrange(len(raw)), draw.randrange(5)
        if kind == 0:
            raw[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del raw[at : at + draw.randint(1, 40)]
        elif kind == 2:
            raw[at:at] = raw[draw.randrange(len(raw)) :][: draw.randint(1, 40)]
        else:
            piece = draw.choice(pieces)
            raw[at : at + (len(piece) if kind == 3 else 0)] = piece
    return bytes(raw)


def edited(path: Path, **changes: np.ndarray) -> None:
    """Replace arrays of a label file; its hash stays."""
    with np.load(path) as file:
        arrays = dict(file) | changes
    with open(path, "wb") as stream:
        np.savez(stream, **arrays)
