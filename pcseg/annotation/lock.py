"""Let one process at a time label a scene, and tell a second one who does; a lock ends with its process."""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path

from pcseg.errors import InputError, cut

try:
    import fcntl
except ImportError:  # Windows: a second process is not told
    fcntl = None  # type: ignore[assignment]


class Lock:
    """The right to label the scene whose log is ``log``, held until ``release`` or until this process ends.

    Raises InputError, which names person, process and time, while another process holds it. The system itself takes
    the lock from a process that was killed, so that none is ever left behind.
    """

    def __init__(self, log: Path, author: str) -> None:
        self.path = log.with_name(f"{log.name}.lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror or error}); allow writing") from error
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = self._holder()
            os.close(self._file)
            raise InputError(f"{log}: is being labeled by {holder}; close it there, or choose another scene") from error
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        about = {"author": author, "process": os.getpid(), "machine": platform.node(), "since": since}
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(about).encode(), 0)

    def release(self) -> None:
        """Give the lock back."""
        file, self._file = self._file, -1
        with suppress(OSError):
            os.ftruncate(file, 0)
            os.close(file)

    def _holder(self) -> str:
        """Return in words who holds the lock."""
        try:
            about = json.loads(os.pread(self._file, 4096, 0))
            text = f"{about['author']} (process {about['process']} on {about['machine']}, since {about['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"
        return cut(text, 200)
