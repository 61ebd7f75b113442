"""From a case to its rows: check against pcseg, time in turns, weigh."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from _bench import Case, disagreement, interleaved, matmul, result
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
    """What is wrong with an implementation in a case."""

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

    One that raises is not timed but reported; where that is pcseg, it is raised.
    """
    own = prepare(case, "pcseg")
    expected, remarks, tasks, names = result(own), [], {}, {}
    for impl in impls:
        try:
            task = own if impl == "pcseg" else prepare(case, impl)
            wrong = None if task is own else disagreement(result(task), expected, own.tolerance)
        except Exception as error:  # another library's, of whatever kind
            line = (str(error).strip().splitlines() or [""])[0]
            remarks.append(Remark(impl, f"raises {type(error).__name__}: {line}", str(case)))
            continue
        tasks[impl], names[impl] = task, f"{impl} (wrong)" if wrong else impl
        if wrong:
            remarks.append(Remark(impl, f"is wrong: {wrong}", str(case)))
    del expected
    limit = matmul(case.device, torch.float32 if torch.device(case.device).type == "cpu" else case.dtype)
    times = interleaved({LIMIT: limit, **tasks}, repeats, seconds)
    rate = (limit.flops or 0) / times[LIMIT]
    least = None if own.flops is None else own.flops / rate
    rows = [
        Row(
            op=case.op,
            voxels=len(case.cloud),
            channels=case.channels,
            mode=case.mode,
            map=case.with_map,
            impl=names[impl],
            ms=1e3 * times[impl],
            times_limit=None if least is None else times[impl] / least,
            peak_mb=peak_mb(prepare, case, impl) if memory else None,
        )
        for impl in tasks
    ]
    return Report(rows, remarks, rate / 1e9)


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]
