"""The device to compute on, how many CPU threads to use, and how they wait for each other."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pcseg.errors import InputError

if TYPE_CHECKING:
    import torch

COUNT = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
"""Variables by which a user chooses the number of threads and how they wait; what is chosen stays."""
SHORT_WAIT = {"GOMP_SPINCOUNT": "2000", "KMP_BLOCKTIME": "0"}
"""20 to 80 us of GNU's OpenMP (in PyTorch's wheels), none of Intel's (conda). By themselves threads spin for some 5 ms
and 200 ms at the end of an op: it costs nothing where the others run, and most of the time where one of them waits for
the core that is spun on. Without a spin at all, GNU's take a quarter longer over small networks on a quiet machine."""


def cores(root: str | os.PathLike[str] = "/") -> int:
    """Cores that this process may use: as many as it is bound to, or less where its cgroups grant less time, rounded up.

    ``root`` is the folder of ``proc`` and ``sys``.
    """
    granted = (math.ceil(share) for group in _cgroups(Path(root)) if (share := _share(group)) is not None)
    return max(1, min([_bound_to(), *granted]))


def configure_threads() -> None:
    """Choose what the environment leaves open: threads that wait sleep soon, and are no more than the cores allowed.

    OpenMP reads its environment once, as torch is imported. Where that came before pcseg, only the number of threads can
    follow, and beside busy processes each op waits long: import pcseg first, or set OMP_WAIT_POLICY=passive yourself.
    """
    torch = sys.modules.get("torch")
    if torch is None and not any(name in os.environ for name in WAITING):
        os.environ.update(SHORT_WAIT)
    if any(name in os.environ for name in COUNT):
        return
    if torch is not None:
        torch.set_num_threads(min(cores(), torch.get_num_threads()))
    elif cores() < _bound_to():  # of the cores it is bound to OpenMP knows by itself
        os.environ["OMP_NUM_THREADS"] = str(cores())


def set_threads(count: int) -> None:
    """Use ``count`` CPU threads; raises InputError where it is not a positive number."""
    if count < 1:
        raise InputError(f"threads={count}: give 1 or more")
    import torch  # not above: this module is to come before torch

    torch.set_num_threads(count)


def choose_device(name: str) -> torch.device:
    """ "cpu", "cuda", or with "auto" the GPU if there is one; raises InputError where there is none of that kind."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device={name}: write auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda: PyTorch finds no GPU here; write device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def threads_summary() -> str:
    """A line for the log: how many threads there are on how many cores, and what decided it."""
    import torch

    chosen = ", ".join(f"{name}={os.environ[name]}" for name in (*COUNT, *WAITING) if name in os.environ)
    return f"threads: {torch.get_num_threads()} on {cores()} cores; {chosen or 'OpenMP waits as it does by itself'}"


def _bound_to() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cgroups(root: Path) -> Iterator[Path]:
    """Folders of the control groups (version 1 or 2) that this process is in, its own and those around it."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)  # version 2 names none
        if not controllers or "cpu" in controllers.split(","):
            mount = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
            group = mount / path.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(mount))


def _share(group: Path) -> float | None:
    """How many cores' time a control group grants; None where it sets no bound."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such file; "max"
        return None
