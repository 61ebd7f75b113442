"""Run readers of native libraries in a separate process, so that no file can abort, hang or exhaust the memory of this
one.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.errors import InputError, cut

if sys.platform != "win32":
    import fcntl

Piece = tuple[dict[str, Any], list[np.ndarray]]
"""A description and the bytes of its arrays, each uint8: one item that a reader yields."""

SECONDS = 120.0
"""Time limit for one piece of at most a million points, which takes about a second; generous, for busy machines."""

MEMORY = 1 << 30
"""Bytes that a reader may allocate beyond those that the checked sizes in its file need."""

_CHILD = Path(__file__).with_name("bounded_child.py")
_START = "import json, runpy, sys; sys.path[:] = json.loads(sys.argv[2]); runpy.run_path(sys.argv[1])['serve']()"
_idle: list[_Child] = []


def pieces(
    path: Path,
    kind: str,
    reader: Path,
    request: dict[str, Any],
    *,
    memory: int = MEMORY,
    seconds: float = SECONDS,
) -> Iterator[Piece]:
    """Yield the items of ``read(request)`` of the Python file ``reader``, which runs in another process.

    ``reader`` imports nothing of this package, so that its process starts fast. Its function ``read`` yields a
    description (JSON) and a list of buffers at a time. Nothing is unpickled. It may allocate ``memory`` bytes more than
    an idle process and take ``seconds`` per item. The process is kept for the next file and ends with this one, even if
    this one is killed. On Windows, which has no such limits, the reader runs in this process.

    Raises InputError that names ``path`` if the reader raises, exceeds a limit, or dies.
    """
    if sys.platform == "win32" or not sys.executable:
        yield from _here(path, kind, reader, request)
        return
    child = _take()
    ended = error = ""
    try:
        child.send({"reader": str(reader), "request": request, "memory": memory, "seconds": seconds})
        while not ended:
            described, buffers = child.receive(memory)
            ended, error = described.get("ended", ""), described.get("error", "")
            if not ended:
                yield described, buffers
    except (EOFError, BrokenPipeError, json.JSONDecodeError) as broken:
        raise InputError(_unreadable(path, kind, child.died(memory, seconds))) from broken
    except BaseException:
        child.end()
        raise
    if _idle or ended == "for good":
        child.end()
    else:
        _idle.append(child)
    if error:
        raise InputError(_unreadable(path, kind, error))


class _Child:
    """A process that waits for requests on its standard input; see bounded_child.py."""

    def __init__(self) -> None:
        # keeps panics of Rust and the like off the user's terminal
        self.messages = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, str(_CHILD), json.dumps([str(path) for path in sys.path]), str(os.getpid())],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # numpy would start one thread per core
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.messages, bufsize=0,
        )  # fmt: skip
        if sys.platform == "linux":
            with suppress(OSError):  # a wider pipe is faster; the system may refuse
                fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)  # type: ignore[arg-type]

    def send(self, message: dict[str, Any]) -> None:
        text = json.dumps(message).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(struct.pack("<I", len(text)) + text)

    def receive(self, most: int) -> Piece:
        (length,) = struct.unpack("<I", self._exactly(4).tobytes())
        described = json.loads(self._exactly(length).tobytes())
        sizes = described.pop("sizes")
        if sum(sizes) > most:
            raise EOFError
        return described, [self._exactly(size) for size in sizes]

    def _exactly(self, count: int) -> np.ndarray:
        data, at = np.empty(count, np.uint8), 0
        assert self.process.stdout is not None
        while at < count:
            read = self.process.stdout.readinto(data[at:])  # type: ignore[attr-defined]
            if not read:
                raise EOFError
            at += read
        return data

    def died(self, memory: int, seconds: float) -> str:
        """Return the reason why the process ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        code = self.process.poll()
        self.messages.seek(0)
        lines = [line for line in self.messages.read(10_000).decode(errors="replace").splitlines() if line.strip()]
        self.end()
        if code == -signal.SIGALRM:
            return f"one piece of it took more than {seconds:g} s"
        if any("memory allocation of" in line for line in lines):
            return f"it asks for more than {memory >> 20} MB of memory"
        if code == -signal.SIGKILL:
            return "its reader was killed, perhaps for lack of memory"
        end = "ended early" if code is None or code >= 0 else f"died of {signal.Signals(-code).name}"
        return f"its reader {end}{': ' * bool(lines)}{cut(lines[0] if lines else '', 150)}"

    def end(self) -> None:
        with suppress(OSError):
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.messages):
            assert stream is not None
            with suppress(OSError):
                stream.close()
        self.process.wait()


def _take() -> _Child:
    """Return an idle process that is alive, or a new one."""
    while True:
        try:
            child = _idle.pop()
        except IndexError:
            return _Child()
        if child.process.poll() is None:
            return child
        child.end()


def _here(path: Path, kind: str, reader: Path, request: dict[str, Any]) -> Iterator[Piece]:
    try:
        for described, buffers in runpy.run_path(str(reader))["read"](request):
            yield described, [np.frombuffer(bytes(b), np.uint8) for b in buffers]
    except (GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # panics of Rust are not derived from Exception
        raise InputError(_unreadable(path, kind, str(error) or type(error).__name__)) from error


def _unreadable(path: Path, kind: str, why: str) -> str:
    why = " ".join(cut(why.strip().partition("\n")[0], 300).split()).rstrip(".;")
    return f"{path}: not a readable {kind} file ({why}); it is damaged or cut off, copy or export it again"


def _end_all() -> None:
    while _idle:
        _idle.pop().end()


def _forget() -> None:
    """Forget the idle processes after a fork: they belong to the parent."""
    for child in _idle:
        for stream in (child.process.stdin, child.process.stdout):
            assert stream is not None
            stream.close()
        child.process.returncode = 0
    _idle.clear()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
