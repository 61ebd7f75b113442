"""Run a reader under limits of memory and time and send its items to bounded.py, in the child process.

It is run by its path and imports nothing of this package, so that it starts fast.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import signal
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any


def serve() -> None:
    """Answer requests from standard input until it closes or the parent, whose process id is the third argument,
    ends.
    """
    parent = int(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which then ends this process
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    source, sink = os.fdopen(os.dup(0), "rb"), os.dup(1)
    with open(os.devnull, "r+b") as nothing:  # keeps the prints of a library out of the data that is sent
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
    readers: dict[str, Any] = {}
    while head := source.read(4):
        message = json.loads(source.read(*struct.unpack("<I", head)))
        os.ftruncate(2, 0)
        try:
            name = message["reader"]
            if name not in readers:
                _, hard = resource.getrlimit(resource.RLIMIT_DATA)
                resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))  # its imports do not count
                readers[name] = runpy.run_path(name)["read"]
            _bound(message["memory"])
            found = iter(readers[name](message["request"]))
            while True:
                signal.setitimer(signal.ITIMER_REAL, message["seconds"])
                piece = next(found, None)
                signal.setitimer(signal.ITIMER_REAL, 0)
                if piece is None:
                    break
                _send(sink, *piece)
            _send(sink, {"ended": "well"}, [])
        except BrokenPipeError:
            return
        except BaseException as error:  # panics of Rust are not derived from Exception
            signal.setitimer(signal.ITIMER_REAL, 0)
            text = "it asks for too much memory" if isinstance(error, MemoryError) else str(error)
            healthy = isinstance(error, Exception)  # a panic may leave a broken state
            ended = "badly" if healthy else "for good"
            _send(sink, {"ended": ended, "error": text or type(error).__name__}, [])
            if not healthy:
                return


def _send(sink: int, described: dict[str, Any], buffers: list[Any]) -> None:
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    text = json.dumps({**described, "sizes": [len(view) for view in views]}).encode()
    for view in (memoryview(struct.pack("<I", len(text)) + text), *views):
        while len(view):
            view = view[os.write(sink, view) :]


def _bound(memory: int) -> None:
    """Limit this process to ``memory`` bytes more than it has now."""
    has = 0
    status = Path("/proc/self/status")
    if status.is_file():
        has = next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith("VmData"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = has + memory
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
