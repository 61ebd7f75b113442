"""Batches made by worker processes, any failure of which ends the run in one line instead of leaving it waiting."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import AuthenticationError
from multiprocessing.queues import Queue
from typing import Any

import torch
from torch.utils.data import DataLoader

from pcseg.errors import InputError
from pcseg.feeding.samplers import StepSampler
from pcseg.feeding.training_set import TrainingSet

SYSTEM = ("DataLoader worker (pid", "Too many open files", "shared memory", "ancdata")
"""Words of torch's errors where the system has ended a worker or cut the connection to it."""


def loader(dataset: TrainingSet[Any], sampler: StepSampler, workers: int = 0) -> DataLoader[Any]:
    """Return the Batches of ``sampler``, the same for any number of ``workers`` processes (0: made by this one)."""
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=dataset.collate,
        worker_init_fn=_begin,
        multiprocessing_context="fork" if workers else None,
    )


def plain(batches: Iterable[Any]) -> Iterator[Any]:
    """Yield the same batches; raise InputError where memory, files or processes to load them run out."""
    reason, handler, hook = "", signal.getsignal(signal.SIGCHLD), sys.unraisablehook
    try:
        yield from batches
        return
    except (OSError, EOFError, MemoryError, AuthenticationError) as error:
        reason = _reason(error)
        _on_death(signal.SIG_DFL)  # else torch raises an error for another worker that dies, wherever this process is
        sys.unraisablehook = lambda _: None  # and Python prints one where the loader was only half made
    # With the error the loader is gone here, and its workers.
    _on_death(handler)
    sys.unraisablehook = hook
    raise _failed(reason)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Within, the death of a worker (killed, out of memory, of files or of shared memory) is an InputError.

    To be around all that is done while workers live: wherever this process happens to be, torch raises a RuntimeError
    there.
    """
    try:
        yield
    except RuntimeError as error:
        reason = _reason(error)
        if not any(words in reason for words in SYSTEM):
            raise
        raise _failed(reason) from error


def _reason(error: BaseException) -> str:
    """Return the message of an error, without the traceback of a worker that its text may hold."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return (lines[-1] if "Traceback" in str(error) else lines[0]).partition(" Details are lost")[0].rstrip(".")


def _failed(reason: str) -> InputError:
    return InputError(
        f"loading data failed ({reason}); raise the limits of memory, /dev/shm or open files (ulimit -n), lower "
        "batch_size or workers, or load in this process: workers=0"
    )


def _on_death(handler: Any) -> None:
    """Set the handler for the death of a child process; only the main thread may."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, handler)


def _begin(_: int) -> None:
    """Begin a worker on one thread, and let an error in its sending thread end it.

    Otherwise the batch is lost and the run waits for it forever.
    """
    torch.set_num_threads(1)
    Queue._on_queue_feeder_error = staticmethod(lambda error, batch: _leave(error))  # type: ignore[attr-defined]
    sys.excepthook = lambda kind, error, trace: _leave(error)
    threading.excepthook = lambda failed: _leave(failed.exc_value)


def _leave(error: BaseException | None) -> None:
    try:
        print(f"note: a process that loads data could not send a batch ({error})", file=sys.stderr, flush=True)
    finally:
        os._exit(1)
