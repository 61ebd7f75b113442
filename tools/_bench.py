"""Timing side by side: what is timed, how samples are taken in turns, and whether results agree."""

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

from _bench_clouds import Cloud

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Greatest difference of two results of an op, over the greatest value, that rounding explains (that of TF32 too)."""


@dataclass(frozen=True)
class Case:
    """One piece of work, whoever does it: ``op`` on ``cloud``, with ``channels`` in and out where it has any.

    ``mode`` is "forward" or "forward_backward"; ``with_map`` says that building the kernel map counts.
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
    """An implementation's way to do a case.

    ``run`` is what is timed, within the context that ``within`` makes. ``result`` does it once and returns what was
    computed, rows in lexicographic order of their voxels, so that implementations can be compared: they may differ by
    ``tolerance`` times the greatest value. ``flops`` are the multiplications and additions that the work needs, where a
    limit follows from them.
    """

    run: Callable[[], Any]
    result: Callable[[], tuple[Tensor, ...]]
    tolerance: float = 0.0
    within: Callable[[], AbstractContextManager[Any]] = nullcontext
    flops: int | None = None


def side(device: str) -> int:
    """Side of the matrices whose product sets the limit: large enough to keep all of a device busy."""
    return 2048 if torch.device(device).type == "cpu" else 8192


def matmul(device: str, dtype: torch.dtype, size: int | None = None) -> Task:
    """torch.mm of two square matrices of that side, or of ``size``: the rate that the limits are taken from."""
    a, b = torch.randn(2, *2 * [size or side(device)], device=device, dtype=dtype)
    return Task(lambda: torch.mm(a, b), lambda: (torch.mm(a, b),))


@functools.cache
def limit_dtype(device: str, dtype: torch.dtype) -> torch.dtype:
    """The type whose product sets the limit: ``dtype``, or float32 on a CPU that multiplies that faster."""
    if torch.device(device).type != "cpu" or dtype == torch.float32:
        return dtype
    seconds = interleaved({str(kind): matmul(device, kind, 512) for kind in (torch.float32, dtype)}, 5, 0.02)
    return dtype if seconds[str(dtype)] <= seconds[str(torch.float32)] else torch.float32


def interleaved(tasks: Mapping[str, Task], repeats: int, seconds: float) -> dict[str, float]:
    """Median time of each task in seconds, after a warm-up, of ``repeats`` samples of at least about ``seconds`` each.

    Each repeat visits every task once, in turn forwards and backwards, so that a busy machine slows all alike.
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
    with task.within():
        return tuple(tensor.detach().cpu() for tensor in task.result())


def disagreement(found: tuple[Tensor, ...], expected: tuple[Tensor, ...], tolerance: float) -> str | None:
    """What is wrong with ``found``, in words; None where it is what was ``expected``."""
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
            return f"result {number} is off by {error:.2g} where the greatest value is {scale:.2g}"
    return None
