"""Peak memory of a piece of work, in a process of its own."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from _bench import Case, Task

Prepare = Callable[[Case, str], Task]


def peak_mb(prepare: Prepare, case: Case, impl: str) -> float | None:
    """Megabytes (10**6 bytes) that running the case takes at its peak, over what is there before and after.

    What is there: inputs, weights, and the map where the case leaves it out. On a GPU torch's allocator is asked; on a
    CPU Linux is, for the resident pages of a new process; None on other systems.
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
    ctypes.CDLL(None).malloc_trim(0)  # freed memory goes back, so that using it again is seen
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
    before = _resident("VmRSS")
    _run(task)
    return (_resident("VmHWM") - before) / 1e6


def _run(task: Task) -> None:
    with task.within():
        task.run()


def _resident(name: str) -> int:
    """Bytes that Linux reports for this process under ``name``."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    raise RuntimeError(f"/proc/self/status has no {name}")
