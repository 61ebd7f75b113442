"""Markdown for README.md: machine, versions and command, and a table line for each row."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness.clouds import Cloud
from benchmarks.harness.measure import Remark, Report, Row
from benchmarks.harness.timing import DTYPES, limit_dtype, side
from benchmarks.peers import library
from pcseg.info import describe


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table; ``times pcseg`` compares within a case."""
    names = (
        "op", "voxels:", "channels:", "mode", "map", "impl", "ms:", "times the limit:", "times pcseg:", "ns/voxel:",
        "peak MB:",
    )  # fmt: skip
    lines = []
    own = {_case(row): row.ms for row in rows if row.impl == "pcseg"}
    for row in rows:
        ratio = row.ms / own[_case(row)] if _case(row) in own else None
        numbers = [short(v) for v in (row.ms, row.times_limit, ratio, 1e6 * row.ms / row.voxels, row.peak_mb)]
        mode = row.mode.replace("_", " + ")
        kept = "" if row.times_limit is None else "kept"
        case = [row.op, f"{row.voxels:,}", str(row.channels or ""), mode, "built" if row.map else kept, row.impl]
        lines.append(case + numbers)
    return markdown(names, lines)


def markdown(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; columns whose name ends in ":" are aligned to the right."""
    head = [name.removesuffix(":") for name in names]
    rule = ["---:" if name.endswith(":") else "---" for name in names]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|", *(f"| {' | '.join(row)} |" for row in rows)])


def _case(row: Row) -> tuple[Any, ...]:
    return row.op, row.voxels, row.channels, row.mode, row.map


def short(value: float | None) -> str:
    """Return ``value`` to three significant digits, "" for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def remarked(remarks: Sequence[Remark]) -> str:
    """Return a line for each remark about an implementation, with the first case it was found in."""
    where: dict[tuple[str, str], list[str]] = {}
    for remark in remarks:
        where.setdefault((remark.impl, remark.text), []).append(remark.case)
    lines = []
    for (impl, text), cases in where.items():
        more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
        lines.append(f"\n{impl} {text}{f' ({cases[0]}{more})' * bool(cases[0])}")
    return "\n".join(lines)


def header(reports: Sequence[Report], clouds: Sequence[Cloud], dtype: str, device: str, peers: Sequence[str]) -> str:
    """Return a Markdown paragraph: machine, versions, date, torch.mm's rate, clouds and command."""
    arithmetic = f"{dtype}{' (no TF32)' * (device != 'cpu' and dtype == 'float32')}"
    limit = str(limit_dtype(device, DTYPES[dtype])).removeprefix("torch.")
    rates, size = [report.rate for report in reports], side(device)
    return "\n".join(
        [
            f"{machine(device)}, {', '.join([arithmetic, *map(library.version, peers)])}.",
            "Medians of interleaved repeats.",
            f"torch.mm of two {size} x {size} matrices of {limit} reached "
            f"{min(rates):.0f} to {max(rates):.0f} GFLOP/s meanwhile.",
            *(
                f"{c.name}: {len(c):,} voxels, {c.pairs():.1f} pairs each in 3x3x3, {len(c.points):,} points."
                for c in clouds
            ),
            command(),
        ]
    )


def machine(device: str) -> str:
    """Return date, processor or GPU, threads, instruction set and torch's version."""
    name = _processor() if device == "cpu" else torch.cuda.get_device_name(device)
    return (
        f"{datetime.datetime.now().date().isoformat()}, {name}, threads={torch.get_num_threads()} on {os.cpu_count()} "
        f"cores, {describe()['instruction set']}, torch {torch.__version__}"
    )


def command() -> str:
    """Return the command that runs this benchmark, in backticks."""
    return f"`python -m benchmarks.{' '.join([Path(sys.argv[0]).stem, *map(shlex.quote, sys.argv[1:])])}`"


def _processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
