"""Interleaved timing: the case, the task of each implementation, medians, and comparison of results."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness.clouds import Cloud

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest difference of two results of an op, over the largest value, that rounding (TF32 included) can cause."""


@dataclass(frozen=True)
class Case:
    """Work for any implementation: ``op`` on ``cloud``, with ``channels`` in and out where ``op`` has channels.

    ``mode`` is "forward" or "forward_backward"; with ``with_map`` the time includes building the kernel map.
    """

    op: str
    cloud: Cloud = field(repr=False)
    channels: int | None
    mode: str
    with_map: bool
    device: str
    dtype: torch.dtype
    threads: int

    def __str__(self) -> str:
        channels = "" if self.channels is None else f", {self.channels} channels"
        return f"{self.op}, {len(self.cloud):,} voxels{channels}, {self.mode}{', map' * self.with_map}"


@dataclass(frozen=True)
class Task:
    """A case as one implementation does it.

    ``run`` is timed, in the context that ``within`` makes. ``result`` runs the work once and returns its tensors, rows
    in lexicographic order of their voxels, for comparison: implementations may differ by ``tolerance`` times the
    largest value. ``flops`` counts the multiplications and additions needed, or is None where the work has no limit.
    """

    run: Callable[[], Any]
    result: Callable[[], tuple[Tensor, ...]]
    tolerance: float = 0.0
    within: Callable[[], AbstractContextManager[Any]] = nullcontext
    flops: int | None = None


def side(device: str) -> int:
    """Return the side of the matrices whose product sets the limit, large enough to keep all of a device busy."""
    return 2048 if torch.device(device).type == "cpu" else 8192


def matmul(device: str, dtype: torch.dtype, size: int | None = None) -> Task:
    """Return torch.mm of two square matrices of side ``size``, by default `side`: its rate sets the limits."""
    a, b = torch.randn(2, *2 * [size or side(device)], device=device, dtype=dtype)
    return Task(lambda: torch.mm(a, b), lambda: (torch.mm(a, b),))


@functools.cache
def limit_dtype(device: str, dtype: torch.dtype) -> torch.dtype:
    """Return the type whose product sets the limit: ``dtype``, or float32 on a CPU that multiplies float32 faster."""
    if torch.device(device).type != "cpu" or dtype == torch.float32:
        return dtype
    seconds = interleaved({str(kind): matmul(device, kind, 512) for kind in (torch.float32, dtype)}, 5, 0.02)
    return dtype if seconds[str(dtype)] <= seconds[str(torch.float32)] else torch.float32


def interleaved(tasks: Mapping[str, Task], repeats: int, seconds: float) -> dict[str, float]:
    """Return each task's median time in seconds, after a warm-up, over ``repeats`` samples of ``seconds`` or more.

    Each repeat runs every task once, alternately in the order given and reversed, so that other load on the machine
    slows all tasks alike.
    """
    for task in tasks.values():
        _sample(task, 1)
    loops = {name: math.ceil(seconds / max(1e-9, _sample(task, 1))) for name, task in tasks.items()}
    samples: dict[str, list[float]] = {name: [] for name in tasks}
    for repeat in range(repeats):
        for name in list(tasks)[:: -1 if repeat % 2 else 1]:
            samples[name].append(_sample(tasks[name], max(1, loops[name])))
    return {name: median(values) for name, values in samples.items()}


def _sample(task: Task, loops: int) -> float:
    with task.within():
        synchronize()
        started = time.perf_counter()
        for _ in range(loops):
            task.run()
        synchronize()
        return (time.perf_counter() - started) / loops


def synchronize() -> None:
    """Wait for the GPU, where one is in use."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def result(task: Task) -> tuple[Tensor, ...]:
    """Return the tensors of ``task.result`` on the CPU."""
    with task.within():
        return tuple(tensor.detach().cpu() for tensor in task.result())


def disagreement(found: tuple[Tensor, ...], expected: tuple[Tensor, ...], tolerance: float) -> str | None:
    """Return how ``found`` differs from ``expected``, in words, or None where both agree within ``tolerance``."""
    for number, (a, b) in enumerate(zip(found, expected, strict=True)):
        if a.shape != b.shape:
            return f"result {number} has shape {tuple(a.shape)}, not {tuple(b.shape)}"
        if not b.is_floating_point():
            if not torch.equal(a.long(), b.long()):
                return f"result {number} differs in {int((a.long() != b.long()).sum())} of {b.numel()} numbers"
            continue
        scale = float(b.abs().max()) if b.numel() else 0.0
        error = float((a.float() - b.float()).abs().max()) if b.numel() else 0.0
        if not error <= tolerance * scale:
            return f"result {number} is off by {error:.2g} where the largest value is {scale:.2g}"
    return None
