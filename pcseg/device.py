"""Choose the device, the number of CPU threads and how idle threads wait."""

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
"""Environment variables of OpenMP for the number of threads and for waiting; values that the user set are kept."""
SHORT_WAIT = {"GOMP_SPINCOUNT": "2000", "KMP_BLOCKTIME": "0"}
"""Spin for 20 to 80 us with GNU's OpenMP (in PyTorch's wheels), not at all with Intel's (conda). Their defaults are
some 5 ms and 200 ms after an op: free if all threads run, but most of the time if one waits for the core that another
spins on. Without any spin, GNU's threads take a quarter longer for small networks on an idle machine.
"""


def cores(root: str | os.PathLike[str] = "/") -> int:
    """Return the number of cores that this process may use: those it is bound to, or fewer if its cgroups grant less
    time.

    Grants are rounded up. ``root`` is the folder of ``proc`` and ``sys``.
    """
    granted = (math.ceil(share) for group in _cgroups(Path(root), "cpu") if (share := _share(group)) is not None)
    return max(1, min([_bound_to(), *granted]))


def memory(root: str | os.PathLike[str] = "/") -> int:
    """Return the bytes of memory that this process may use: those of the machine, or fewer if its cgroups grant less.

    ``root`` is the folder of ``proc`` and ``sys``. Where a system does not tell, 4 GiB.
    """
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # elsewhere than on Linux and macOS
        whole = 2**32
    groups = _cgroups(Path(root), "memory")
    return min([whole, *(bound for group in groups if (bound := _memory_bound(group)) is not None)])


def configure_threads() -> None:
    """Set what the environment leaves unset: idle threads sleep soon, and there are no more threads than cores allowed.

    OpenMP reads its environment once, when torch is imported. If that came before pcseg, only the number of threads can
    still change, and ops are slow beside other busy processes: import pcseg first, or set OMP_WAIT_POLICY=passive.
    """
    torch = sys.modules.get("torch")
    if torch is None and not any(name in os.environ for name in WAITING):
        os.environ.update(SHORT_WAIT)
    if any(name in os.environ for name in COUNT):
        return
    if torch is not None:
        torch.set_num_threads(min(cores(), torch.get_num_threads()))
    elif cores() < _bound_to():  # OpenMP itself knows the cores that the process is bound to
        os.environ["OMP_NUM_THREADS"] = str(cores())


def set_threads(count: int) -> None:
    """Use ``count`` CPU threads; raises InputError if it is not positive."""
    if count < 1:
        raise InputError(f"threads={count}: give 1 or more")
    import torch  # not at the top: this module is imported before torch

    torch.set_num_threads(count)


def choose_device(name: str) -> torch.device:
    """Return the device "cpu" or "cuda", or for "auto" the GPU if there is one; raises InputError if there is none."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device={name}: write auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda: PyTorch finds no GPU here; write device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def threads_summary() -> str:
    """Return a line for the log: the numbers of threads and cores, and the settings behind them."""
    import torch

    chosen = ", ".join(f"{name}={os.environ[name]}" for name in (*COUNT, *WAITING) if name in os.environ)
    return f"threads: {torch.get_num_threads()} on {cores()} cores; {chosen or 'OpenMP waits by its default'}"


def _bound_to() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of the control groups (version 1 or 2) of this process that bound what ``controller`` names.

    Those are its own and the ones around it.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)  # version 2 names no controllers
        if not controllers or controller in controllers.split(","):
            mount = root / "sys/fs/cgroup" / (controller if controllers else "")
            group = mount / path.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(mount))


def _share(group: Path) -> float | None:
    """Return the number of cores whose time a control group grants; None if it sets no limit."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max"
        return None


def _memory_bound(group: Path) -> int | None:
    """Return the bytes of memory that a control group grants; None if it sets no limit."""
    for file in (group / "memory.max", group / "memory.limit_in_bytes"):
        if file.exists():
            text = file.read_text().strip()
            return int(text) if text.isdecimal() else None  # "max"
    return None
