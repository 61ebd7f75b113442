"""How many CPU threads to use and how they wait for each other."""

from __future__ import annotations

import os

from pcseg.errors import InputError


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(count: int) -> None:
    """Use ``count`` CPU threads; raises InputError where it is not a positive number."""
    if count < 1:
        raise InputError(f"threads={count}: give 1 or more")
    import torch  # not above: this module comes before torch, which reads the environment as it loads

    torch.set_num_threads(count)
