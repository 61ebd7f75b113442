"""Memory of this process: how much it took, and keeping what it has."""

from __future__ import annotations

import ctypes
import resource
import sys
from contextlib import suppress

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Settings of mallopt(3), from glibc's malloc.h."""


def peak_memory() -> dict[str, float]:
    """GiB that this process held at its worst: ``cpu``, all of it, and ``cuda``, the tensors on its GPU if it used one.

    Linux counts what the process was started from too, where that was larger.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"cpu": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if torch.cuda.is_initialized():
        peak["cuda"] = max(torch.cuda.max_memory_allocated(i) for i in range(torch.cuda.device_count()))
    return {device: round(size / 2**30, 3) for device, size in peak.items()}


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for what comes next, instead of handing it back to the system; nothing elsewhere.

    A step of training on a CPU frees gigabytes and asks for them again, and new memory is mapped page by page: a fifth
    of the time of a MinkUNet34C. The price is what lies between what is used, about a quarter more memory.
    """
    with suppress(OSError, AttributeError):  # no glibc
        mallopt = ctypes.CDLL(None).mallopt
        if mallopt(M_MMAP_MAX, 0):
            mallopt(M_TRIM_THRESHOLD, -1)
