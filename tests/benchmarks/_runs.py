"""Run a benchmark as a user does, in a new process or in this one."""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

from tests.forked import ROOT, run_module

STUBS = str(Path(__file__).parent / "stubs")
"""Folder of stand-ins for other libraries, for PYTHONPATH."""


def bench(name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m benchmarks.<name>`` in the repository root, on one thread, and wait for it."""
    return run_module(f"benchmarks.{name}", *arguments, **variables)


def bench_here(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it within this process, which has imported everything already."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    script, argv = str(ROOT / "benchmarks" / f"{name}.py"), sys.argv
    try:
        sys.argv = [script, *arguments]
        with mock.patch.dict(os.environ), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            runpy.run_path(script, run_name="__main__")
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    finally:
        sys.argv = argv
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
