"""Run tasks in worker processes: one that dies costs only its task, and none outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.pool import ExceptionWithTraceback  # type: ignore[attr-defined]
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from pcseg.device import cores
from pcseg.errors import InputError

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Died:
    """The result of a task whose process died, with the ``reason``."""

    reason: str


def count_workers(workers: int) -> int:
    """Return ``workers``, or the number of cores if it is 0; raises InputError if it is negative."""
    if workers < 0:
        raise InputError(f"workers={workers}: give 0 (one for each core) or more")
    return workers or cores()


def in_processes(
    function: Callable[[T], R], tasks: Iterable[T], workers: int
) -> Generator[tuple[T, R | Died], None, None]:
    """Yield (task, ``function(task)``) for each task as it finishes, computed by ``workers`` processes, even if only
    one.

    A process that dies is replaced. Its task is run again at the end, alone, since other tasks may have used the
    memory; if it dies again, its result is Died. Exceptions of ``function`` are raised here. Close the iterator
    (``contextlib.closing``) to stop early, which kills running tasks. Processes are spawned, since a fork copies the
    locks of running threads. Raises InputError if no process can be started.
    """
    again = []
    for task, result in _share_out(function, tasks, workers):
        if isinstance(result, Died) and workers > 1:
            again.append(task)
        else:
            yield task, result
    yield from _share_out(function, again, 1)


@dataclass
class _Worker(Generic[T]):
    """A process and its current task; ``ready`` once it has started."""

    process: BaseProcess
    pipe: connection.Connection
    task: list[T]
    ready: bool = False

    def take(self, task: T) -> None:
        self.task.append(task)
        with suppress(OSError):  # if it has died meanwhile, the end of its pipe shows that
            self.pipe.send(task)

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        self.pipe.close()
        self.process.join()
        return self.process.exitcode or 0


def _share_out(
    function: Callable[[T], R], tasks: Iterable[T], workers: int
) -> Generator[tuple[T, R | Died], None, None]:
    waiting = deque(tasks)
    team: list[_Worker[T]] = []
    failures = 0  # consecutive processes that ended while starting
    try:
        while waiting or any(worker.task for worker in team):
            wanted = len(waiting) + sum(bool(worker.task) for worker in team)
            while len(team) < min(workers, wanted):
                worker = _start(function, team)
                workers = (
                    workers if worker else len(team)
                )  # no process or file handle is left: go on with the running ones
                team += [worker] if worker else []
            for worker in _answering(team):
                try:
                    kind, value = worker.pipe.recv()
                except (EOFError, OSError):
                    kind, value = "died", _reason(worker.end())
                    team.remove(worker)
                failures = failures + 1 if not worker.ready and kind == "died" else 0
                if failures > 2:
                    raise InputError(
                        "worker processes cannot start; in a script of your own, put the call below "
                        "if __name__ == '__main__':, else see what they printed"
                    )
                if kind == "raised":
                    raise value
                worker.ready = True
                for task in worker.task:
                    yield task, Died(value) if kind == "died" else value
                worker.task.clear()
                if waiting and kind != "died":
                    worker.take(waiting.popleft())
    finally:
        for worker in team:
            worker.process.terminate()  # it has no task, or one whose result is not needed
        for worker in team:
            worker.end()


def _answering(team: list[_Worker[T]]) -> list[_Worker[T]]:
    """Return the workers that sent an answer or died; waits for at least one."""
    pipes = connection.wait([worker.pipe for worker in team])
    return [worker for worker in team if worker.pipe in pipes]


def _start(function: Callable[[T], Any], team: list[_Worker[T]]) -> _Worker[T] | None:
    """Return a new worker, or None if the system allows no more beside the ``team``; raises InputError if that is
    empty.
    """
    context = multiprocessing.get_context("spawn")
    try:
        ours, theirs = context.Pipe()
        with theirs:
            process = context.Process(target=_serve, args=(function, theirs))
            process.start()
    except OSError as error:
        if team:
            return None
        raise InputError(
            f"cannot start a worker process ({error.strerror or error}); close other programs, or raise the limits "
            "(ulimit -n, ulimit -u)"
        ) from error
    return _Worker(process, ours, [])


def _reason(code: int) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed, perhaps for lack of memory"
    return f"its process died of {signal.Signals(-code).name}" if code < 0 else f"its process ended with code {code}"


def _serve(function: Callable[[Any], Any], pipe: connection.Connection) -> None:
    """Answer one task after the other until the pipe ends."""
    _end_with_parent()
    with suppress(EOFError, BrokenPipeError):
        pipe.send(("ready", None))
        while True:
            task = pipe.recv()
            answer: tuple[str, Any]
            try:
                answer = "done", function(task)
            except Exception as error:
                answer = "raised", ExceptionWithTraceback(error, error.__traceback__)
            pipe.send(answer)


def _end_with_parent() -> None:
    """Ignore Ctrl-C, which the parent handles, and end with the parent, even if that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
