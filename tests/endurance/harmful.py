"""Readers that do harm, each in its own way: what the fuzzer must find."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.endurance.targets import Target, place

__all__ = ["make", "place"]


def make(folder: Path) -> list[Target]:
    """A file for each of the readers below."""
    folder.mkdir(parents=True)
    (folder / "any.bin").write_bytes(bytes(100))
    readers = {"raises": _raises, "aborts": _aborts, "hangs": _hangs, "grows": _grows}
    return [Target(name, folder / "any.bin", read) for name, read in readers.items()]


def _raises(path: Path) -> None:
    raise KeyError(path.name)


def _aborts(path: Path) -> None:
    os.abort()


def _hangs(path: Path) -> None:
    time.sleep(600)


def _grows(path: Path) -> None:
    bytearray(64 * 2**30)
