"""Run programs as typed, each in a process forked from one that has imported what they import.

That spares the seconds in which a new process loads PyTorch and the rest. Who asks how a program starts, or kills it,
starts a new process.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from multiprocessing import forkserver, process
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
IMPORTED = ("tests.forked_imports",)
"""Modules that the process imports from which others are forked."""

_CONTEXT = multiprocessing.get_context("forkserver")
_begun: dict[str, str] = {}


def run_script(path: str, *arguments: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Do ``python <path> <arguments>`` in ``folder`` on one thread and wait for it, for 120 s at most."""
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
        return subprocess.run(command, cwd=folder, env=wanted, capture_output=True, text=True, timeout=120, check=False)
    _server()
    with tempfile.TemporaryDirectory() as temporary:
        files = [Path(temporary) / name for name in ("out", "err")]
        said = [str(file) for file in files]
        child = _CONTEXT.Process(target=_forked, args=(program, arguments, wanted, str(folder), said))
        child.start()
        child.join(120)
        late = child.exitcode is None
        if late:
            child.kill()
            child.join()
        out, err = (file.read_text() if file.is_file() else "" for file in files)
        if late:
            raise subprocess.TimeoutExpired(command, 120, out, err)
        assert child.exitcode is not None
        return subprocess.CompletedProcess(command, child.exitcode, out, err)


def _comparable(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name != "PYTEST_CURRENT_TEST"}


def _server() -> None:
    """Start the process that others are forked from, at the first call, and note its environment."""
    if not _begun:
        _begun.update(environment())
        with mock.patch.dict(os.environ, _begun):
            _CONTEXT.set_forkserver_preload(list(IMPORTED))
            forkserver.ensure_running()


def _forked(program: list[str], arguments: list[str], variables: dict[str, str], folder: str, files: list[str]) -> None:
    """Be the new process: ``files`` take standard output and errors."""
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(folder)
    process.ORIGINAL_DIR = folder
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = [program[-1], *arguments]
    first = ROOT if program[0] == "-m" else (ROOT / program[0]).parent
    sys.path[:] = [str(first), *(path for path in sys.path if path not in ("", str(ROOT)))]
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
        atexit._run_exitfuncs()
