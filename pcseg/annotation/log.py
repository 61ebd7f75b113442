"""Keep entries in a file that only grows: each is on disk before it is confirmed, and a torn end is cut off."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pcseg.errors import InputError

LONGEST = 2**24
"""Bytes of the longest line, 16 MiB."""


class Log:
    """A file of JSON objects, one a line, at ``path``; ``entries`` are those that are on disk.

    Opening recovers from a kill or a power cut at any moment: an end that holds no whole line was never confirmed, and
    is moved to ``<path>.torn``. Raises InputError for a file that cannot be read or written, or is damaged elsewhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = not path.exists()
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            if new:
                _sync_folder(path.parent)
            with open(path, "rb") as stream:
                raw = stream.read()
        except OSError as error:
            raise InputError(f"{path}: cannot be opened ({error.strerror or error}); choose another place") from error
        try:
            self.entries, self._end = whole_lines(raw, path)
            self._cut(raw)
        except BaseException:
            os.close(self._file)
            raise

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write ``entry`` and return once it is on disk; raises InputError where it is not, and then nothing is."""
        line = json.dumps(entry, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if len(line) > LONGEST:
            raise InputError(f"{self.path}: an entry of {len(line):,} bytes; label fewer points at a time")
        try:
            at = self._end
            while at < self._end + len(line):
                at += os.pwrite(self._file, line[at - self._end :], at)
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise InputError(f"{self.path}: not saved ({error.strerror or error}); free space, then go on") from error
        self._end += len(line)
        self.entries.append(dict(entry))

    def close(self) -> None:
        """Close the file; nothing can be appended any more."""
        file, self._file = self._file, -1
        os.close(file)

    def _cut(self, raw: bytes) -> None:
        """Move what follows the last whole line to a file beside this one."""
        if len(raw) == self._end:
            return
        try:
            with open(self.path.with_name(f"{self.path.name}.torn"), "ab") as stream:
                stream.write(raw[self._end :] + b"\n")
            os.ftruncate(self._file, self._end)
            os.fsync(self._file)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be mended ({error.strerror or error}); allow writing") from error


def read_entries(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a log without changing it, [] if there is none; another process may be writing."""
    try:
        return whole_lines(path.read_bytes(), path)[0]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); allow reading") from error


def whole_lines(raw: bytes, path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the entries of a log and the number of bytes they take; whatever follows them is no whole line.

    Raises InputError for a damaged line with whole lines after it, since that was confirmed.
    """
    entries: list[dict[str, Any]] = []
    end, damaged = 0, 0
    for number, line in enumerate(raw.splitlines(keepends=True), 1):
        entry = _parsed(line)
        if entry is None:
            damaged = damaged or number
        elif damaged:
            raise InputError(f"{path}, line {damaged}: is damaged; mend it, or restore the file from a copy")
        else:
            entries.append(entry)
            end += len(line)
    return entries, end


def _parsed(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _sync_folder(folder: Path) -> None:
    """Force the name of a new file to the disk."""
    with suppress(OSError):  # some systems cannot open folders
        place = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)
