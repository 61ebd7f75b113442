"""Peak memory of a task, measured in a new process."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from benchmarks.harness.timing import Case, Task

Prepare = Callable[[Case, str], Task]


def peak_mb(prepare: Prepare, case: Case, impl: str) -> float | None:
    """Return the peak memory of running the case in megabytes (10**6 bytes), without what exists before it runs.

    Inputs and weights exist before it runs, and the map where the case leaves it out. On a GPU the number is that of
    torch's allocator; on a CPU it is Linux's count of resident pages; None on other systems.
    """
    if torch.device(case.device).type == "cpu" and not Path("/proc/self/clear_refs").exists():
        return None
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak, prepare, case, impl).result()


def _peak(prepare: Prepare, case: Case, impl: str) -> float:
    torch.set_num_threads(case.threads)
    task = prepare(case, impl)
    _run(task)  # loads and compiles what is needed
    gc.collect()
    if torch.device(case.device).type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        _run(task)
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    ctypes.CDLL(None).malloc_trim(0)  # return freed memory, so that using it again is counted
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
    before = _resident("VmRSS")
    _run(task)
    return (_resident("VmHWM") - before) / 1e6


def _run(task: Task) -> None:
    with task.within():
        task.run()


def _resident(name: str) -> int:
    """Return the bytes that Linux reports for this process under ``name``."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    raise RuntimeError(f"/proc/self/status has no {name}")
