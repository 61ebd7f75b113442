"""Run programs as typed, each in a process forked from one that has imported what they import.

That spares the seconds in which a new process loads PyTorch and the rest. Who asks how a program starts, kills it, or
asks whether it does the same under another hash seed, starts a new process.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
import time
import traceback
from multiprocessing import forkserver, process
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
IMPORTED = ("tests.forked_imports",)
"""Modules that the process imports from which others are forked."""

LONGEST = 120.0
"""Seconds that a program may take, and all that it starts and that writes where it does."""

_CONTEXT = multiprocessing.get_context("forkserver")
_begun: dict[str, str] = {}


def run_script(path: str, *arguments: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Do ``python <path> <arguments>`` in ``folder`` on one thread and wait for it, for LONGEST at most."""
    return _run([path], list(arguments), variables, folder)


def run_module(name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Do ``python -m <name> <arguments>`` in the repository root, the same."""
    return _run(["-m", name], list(arguments), variables, ROOT)


def environment(**variables: str) -> dict[str, str]:
    """This process's environment, on one thread."""
    return {**os.environ, "OMP_NUM_THREADS": "1", **variables}


def _run(
    program: list[str], arguments: list[str], variables: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    wanted = environment(**variables)
    command = [sys.executable, *program, *arguments]
    if _comparable(wanted) != _comparable(_begun or environment()):  # which may change what is imported, and how
        return subprocess.run(
            command, cwd=folder, env=wanted, capture_output=True, text=True, timeout=LONGEST, check=False
        )
    _server()
    end = time.monotonic() + LONGEST
    readers, writers = zip(*(_CONTEXT.Pipe(duplex=False) for _ in range(2)), strict=True)
    child = _CONTEXT.Process(target=_forked, args=(program, arguments, wanted, str(folder), writers))
    child.start()
    for writer in writers:
        writer.close()
    said: list[list[bytes]] = [[], []]
    listening = [threading.Thread(target=_listen, args=pair, daemon=True) for pair in zip(readers, said, strict=True)]
    try:
        for thread in listening:
            thread.start()
        for thread in listening:  # as long as anything that was started can write
            thread.join(max(0.0, end - time.monotonic()))
        child.join(max(0.0, end - time.monotonic()))
        out, err = (b"".join(parts).decode() for parts in said)
        if child.exitcode is None or any(thread.is_alive() for thread in listening):
            raise subprocess.TimeoutExpired(command, LONGEST, out, err)
    finally:
        if child.is_alive():
            child.kill()
            child.join()
    assert child.exitcode is not None
    return subprocess.CompletedProcess(command, child.exitcode, out, err)


def _listen(reader: Connection, said: list[bytes]) -> None:
    """Read until nobody can write any more."""
    with reader:
        while part := os.read(reader.fileno(), 1 << 16):
            said.append(part)


def _comparable(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name != "PYTEST_CURRENT_TEST"}


def _server() -> None:
    """Start the process that others are forked from, at the first call, and note its environment."""
    if not _begun:
        _begun.update(environment())
        with mock.patch.dict(os.environ, _begun):
            _CONTEXT.set_forkserver_preload(list(IMPORTED))
            forkserver.ensure_running()


def _forked(
    program: list[str], arguments: list[str], variables: dict[str, str], folder: str, writers: tuple[Connection, ...]
) -> None:
    """Be the new process: ``writers`` take standard output and errors."""
    for number, writer in enumerate(writers, start=1):
        os.dup2(writer.fileno(), number)
        writer.close()
    sys.stdout = sys.__stdout__ = open(1, "w", encoding=sys.stdout.encoding, closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(  # noqa: SIM115
        2, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace", closefd=False
    )
    os.chdir(folder)
    process.ORIGINAL_DIR = folder
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = [program[-1], *arguments]
    first = ROOT if program[0] == "-m" else (ROOT / program[0]).parent
    others = ("", str(ROOT), str(ROOT / "tools"))
    sys.path[:] = [str(first), *(path for path in sys.path if path not in others)]
    try:
        if program[0] == "-m":
            runpy.run_module(program[-1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(program[0], run_name="__main__")
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
