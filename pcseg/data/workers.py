"""Worker processes that end with their parent, whatever ends it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection

from pcseg.errors import InputError
from pcseg.threads import cores


def count_workers(workers: int) -> int:
    """``workers``, or one for each core where it is 0; raises InputError where it is negative."""
    if workers < 0:
        raise InputError(f"workers={workers}: give 0 (one for each core) or more")
    return workers or cores()


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of ``workers`` processes; leaving it early, by an error or Ctrl-C, drops the tasks that have not begun.

    They are spawned, since a fork copies the locks of whatever threads run here. Raises InputError where a process was killed from outside.
    """
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise InputError(
            f"workers={workers}: a process was killed, by lack of memory perhaps; run again with fewer (what is done is kept)"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _start() -> None:
    """Leave Ctrl-C to the parent, and die with it: kill -9 on the parent must not leave workers behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
