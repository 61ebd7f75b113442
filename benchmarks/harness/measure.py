"""Measure a case: compare every implementation with pcseg, time all in turns, measure peak memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.harness.memory import Prepare, peak_mb
from benchmarks.harness.timing import Case, disagreement, interleaved, limit_dtype, matmul, result, side

LIMIT = "torch.mm"


@dataclass(frozen=True)
class Row:
    """A row of the table. ``ms`` is a median; ``times_limit`` is ``ms`` over the time at torch.mm's rate.

    ``impl`` ends in " (wrong)" where the result differs from pcseg's.
    """

    op: str
    voxels: int
    channels: int | None
    mode: str
    map: bool
    impl: str
    ms: float
    times_limit: float | None
    peak_mb: float | None


@dataclass(frozen=True)
class Remark:
    """A sentence about an implementation, in one case or, where ``case`` is "", in all."""

    impl: str
    text: str
    case: str


@dataclass(frozen=True)
class Report:
    """The rows of a case, remarks about them, and torch.mm's rate in GFLOP/s during the measurement."""

    rows: list[Row]
    remarks: list[Remark]
    rate: float


def measure(prepare: Prepare, case: Case, impls: Sequence[str], repeats: int, seconds: float, memory: bool) -> Report:
    """Compare all ``impls`` with pcseg on a case, then time them in turns with the product that sets the limit.

    An implementation that raises is not timed, and a remark reports it; an error of pcseg is raised. A remark also
    reports memory that cannot be measured.
    """
    names, times, flops, remarks = _timed(prepare, case, impls, repeats, seconds)
    torch.cuda.empty_cache()  # for the processes that measure memory
    rate = 2 * side(case.device) ** 3 / times[LIMIT]
    peaks = {impl: _peak(prepare, case, impl, remarks) if memory else None for impl in names}
    rows = [
        Row(
            op=case.op,
            voxels=len(case.cloud),
            channels=case.channels,
            mode=case.mode,
            map=case.with_map,
            impl=name,
            ms=1e3 * times[impl],
            times_limit=None if flops is None else times[impl] * rate / flops,
            peak_mb=peaks[impl],
        )
        for impl, name in names.items()
    ]
    return Report(rows, remarks, rate / 1e9)


def _timed(
    prepare: Prepare, case: Case, impls: Sequence[str], repeats: int, seconds: float
) -> tuple[dict[str, str], dict[str, float], int | None, list[Remark]]:
    """Return the names of implementations that run, their seconds and LIMIT's, the case's flops, and remarks."""
    own = prepare(case, "pcseg")
    expected, remarks, tasks, names = result(own), [], {}, {}
    for impl in impls:
        try:
            task = own if impl == "pcseg" else prepare(case, impl)
            wrong = None if task is own else disagreement(result(task), expected, own.tolerance)
        except Exception as error:  # of another library, of any type
            remarks.append(Remark(impl, f"raises {in_a_line(error)}", str(case)))
            continue
        tasks[impl], names[impl] = task, f"{impl} (wrong)" if wrong else impl
        if wrong:
            remarks.append(Remark(impl, f"is wrong: {wrong}", str(case)))
    del expected
    limit = matmul(case.device, limit_dtype(case.device, case.dtype))
    return names, interleaved({LIMIT: limit, **tasks}, repeats, seconds), own.flops, remarks


def _peak(prepare: Prepare, case: Case, impl: str, remarks: list[Remark]) -> float | None:
    """Return the peak in megabytes, or None and append a remark where measuring fails."""
    try:
        return peak_mb(prepare, case, impl)
    except Exception as error:  # of another library, or too little memory
        remarks.append(Remark(impl, f"has no peak memory: {in_a_line(error)}", str(case)))
        return None


def in_a_line(error: Exception) -> str:
    """Return the type of an error and the first line of its message."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]
