"""Arrays in temporary files without a name, for scans that are too large for the memory."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from pcseg.errors import InputError

SMALL = 1 << 26
"""Bytes of the largest array that is held in memory all the same, 64 MiB."""

ROWS = 1 << 20
"""Rows of an array that are looked at together."""

New = Callable[[tuple[int, ...], DTypeLike], np.ndarray]
"""Function that returns an array of zeros, of a shape and a type."""


def spooled(folder: Path) -> New:
    """Return a function that makes arrays in files of ``folder``, or in memory where they are small.

    The files have no name: nothing is left of them, however the process ends. Their space is taken at once, so that a
    full disk is an InputError here and not a signal at the first access.
    """

    def new(shape: tuple[int, ...], kind: DTypeLike) -> np.ndarray:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
        if size <= SMALL or not size:
            return np.zeros(shape, kind)
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                return np.memmap(file, kind, "r+", shape=shape)
        except OSError as error:
            why = f"cannot hold a temporary file of {size / 1e6:,.0f} MB ({error.strerror or error})"
            raise InputError(f"{folder}: {why}; free space or choose another place") from error

    return new


def let_go(*arrays: np.ndarray | None) -> None:
    """Let the system have back the memory of ``arrays`` that are mapped from files; they are read again when used."""
    for array in arrays:
        held: object = array
        while isinstance(held, np.ndarray):
            held = held.base
        if isinstance(held, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            held.madvise(mmap.MADV_DONTNEED)


def pieces(array: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the rows of ``array``, some at a time, with their slice; of one in a file no more are held in memory."""
    for at in range(0, len(array), ROWS):
        yield slice(at, at + ROWS), array[at : at + ROWS]
        let_go(array)


def copied(column: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
    """Return a copy in memory of ``column`` (P,), of the rows where the mask ``chosen`` (P,) is True."""
    found, at = np.empty(len(column) if chosen is None else np.count_nonzero(chosen), column.dtype), 0
    for rows, piece in pieces(column):
        values = piece if chosen is None else piece[chosen[rows]]
        found[at : at + len(values)] = values
        at += len(values)
    return found
