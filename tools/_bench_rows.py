"""From a case to its rows: check against pcseg, time in turns, weigh."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from _bench import Case, disagreement, interleaved, limit_dtype, matmul, result, side
from _bench_memory import Prepare, peak_mb

LIMIT = "torch.mm"


@dataclass(frozen=True)
class Row:
    """A line of the table. ``ms`` is a median; ``times_limit`` is it over the time that torch.mm's rate would allow.

    ``impl`` of an implementation that computed something else than pcseg ends in " (wrong)".
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
    """What is to be said about an implementation, in a case or ("") in all."""

    impl: str
    what: str
    case: str


@dataclass(frozen=True)
class Report:
    """The rows of a case, what is to be said about them, and torch.mm's rate beside them in GFLOP/s."""

    rows: list[Row]
    remarks: list[Remark]
    rate: float


def measure(prepare: Prepare, case: Case, impls: Sequence[str], repeats: int, seconds: float, memory: bool) -> Report:
    """Check all ``impls`` against pcseg on a case, then time them in turns with the product that sets the limit.

    One that raises is not timed but reported; where that is pcseg, it is raised. Memory that cannot be measured is
    reported too.
    """
    names, times, flops, remarks = _timed(prepare, case, impls, repeats, seconds)
    torch.cuda.empty_cache()  # the processes that measure memory need it
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
    """The names of those that run, their seconds and those of LIMIT, the case's flops, and what is wrong."""
    own = prepare(case, "pcseg")
    expected, remarks, tasks, names = result(own), [], {}, {}
    for impl in impls:
        try:
            task = own if impl == "pcseg" else prepare(case, impl)
            wrong = None if task is own else disagreement(result(task), expected, own.tolerance)
        except Exception as error:  # another library's, of whatever kind
            remarks.append(Remark(impl, f"raises {_in_a_line(error)}", str(case)))
            continue
        tasks[impl], names[impl] = task, f"{impl} (wrong)" if wrong else impl
        if wrong:
            remarks.append(Remark(impl, f"is wrong: {wrong}", str(case)))
    del expected
    limit = matmul(case.device, limit_dtype(case.device, case.dtype))
    return names, interleaved({LIMIT: limit, **tasks}, repeats, seconds), own.flops, remarks


def _peak(prepare: Prepare, case: Case, impl: str, remarks: list[Remark]) -> float | None:
    """Megabytes; None, and a remark, where measuring them fails."""
    try:
        return peak_mb(prepare, case, impl)
    except Exception as error:  # of another library, or for want of memory
        remarks.append(Remark(impl, f"has no peak memory: {_in_a_line(error)}", str(case)))
        return None


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]
