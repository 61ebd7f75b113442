"""Options that the benchmarks share, their checks and reports, and the run of ops.py and network.py over all cases."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.harness.clouds import Cloud, room, scene
from benchmarks.harness.measure import Remark, Report, as_json, measure
from benchmarks.harness.memory import Prepare
from benchmarks.harness.table import command, header, machine, markdown, remarked, table
from benchmarks.harness.timing import DTYPES, Case
from benchmarks.peers.library import CPU_PEERS, GPU_PEERS, open_library, peers
from pcseg.command_line import check_output, option
from pcseg.device import choose_device, set_threads
from pcseg.engine.memory import keep_freed_memory
from pcseg.errors import InputError
from pcseg.files import write_json

MODES = ("forward", "forward_backward")
MEMORY = "also measure peak memory, each in a new process; on a GPU only torch's allocator is counted"


@dataclass
class Shared:
    """The options of all benchmarks that write rows."""

    threads: int | None = option("CPU threads; null for all cores", None)
    device: str = option("cpu, cuda or auto", "auto")
    json: str | None = option("JSON file for the rows", None)

    def begin(self) -> str:
        """Check where the rows go, set the threads, and return the type of the device."""
        if self.json is not None:
            check_output(self.json, folder=False, name="json")
        if self.threads is not None:
            set_threads(self.threads)
        return choose_device(self.device).type

    def finish(
        self, device: str, remark: str, names: Sequence[str], rows: Sequence[Any], cells: Sequence[Sequence[str]]
    ) -> None:
        """Write the rows, dataclasses, as JSON where asked for; print machine, ``remark``, command and the table."""
        if self.json is not None:
            write_json(self.json, [asdict(row) for row in rows])
        print(f"{machine(device)}{remark}\n{command()}\n\n{markdown(names, cells)}")


@dataclass
class Common(Shared):
    """The options of ops.py and network.py; rows are written after each case."""

    voxels: list[int] = option(
        "sizes of the synthetic rooms; [] for none", factory=lambda: [100_000, 300_000, 1_000_000]
    )
    scene: str | None = option("folder of a prepared scene to run on too", None)
    voxel_size: float = option("voxels of that scene, in meters", 0.02)
    modes: list[str] = option("forward (inference), forward_backward (training)", factory=lambda: list(MODES))
    impls: list[str] = option("implementations to measure; [] for all that are installed", factory=list)
    repeats: int = option("samples of each", 7)
    seconds: float = option("a sample repeats short work for at least about this long", 0.3)
    dtype: str = option("float32, float16 or bfloat16", "float32")
    memory: bool = option(MEMORY, False)
    keep_memory: bool = option(
        "keep freed CPU memory, as tools/train.py does; not where peak memory is measured", False
    )


def check(options: Common) -> None:
    """Raise InputError for the first invalid value; set device, threads, memory and float32 precision."""
    for name, values, known in (("modes", options.modes, MODES), ("dtype", [options.dtype], DTYPES)):
        choose(name, values, known)
    for name, least in (("repeats", 1), ("seconds", 0)):
        value = getattr(options, name)
        if not value >= least:
            raise InputError(f"{name}={value}: give {least} or more")
    at_least_one("voxels", options.voxels)
    if not options.voxels and options.scene is None:
        raise InputError("voxels=[]: nothing to run on; give a number of voxels or scene=<folder>")
    options.device = options.begin()
    if options.threads is not None:
        for library in ("OMP", "MKL", "OPENBLAS"):  # read by peers with threads of their own, on import
            os.environ[f"{library}_NUM_THREADS"] = str(options.threads)
    torch.set_float32_matmul_precision("highest")  # no TF32
    if options.keep_memory:
        keep_freed_memory()


def choose(name: str, values: Iterable[str], known: Iterable[str]) -> None:
    """Raise InputError for the first of ``values`` that is not in ``known``."""
    for value in values:
        if value not in known:
            raise InputError(f"{name}={value}: must be one of {', '.join(known)}")


def at_least_one(name: str, values: Iterable[int]) -> None:
    """Raise InputError for the first of ``values`` below 1."""
    for value in values:
        if value < 1:
            raise InputError(f"{name}={value}: give 1 or more")


def choose_impls(options: Common, others: Sequence[str]) -> list[str]:
    """Return ``options.impls``, or all of ``others`` and the peers; raises InputError if one is not installed."""
    there = [*others, *peers(options.device)]
    for name in options.impls:
        choose("impls", [name], [*others, *GPU_PEERS])
        if name not in there:
            kind = "" if name in CPU_PEERS or options.device != "cpu" else " (it runs on a GPU only)"
            raise InputError(
                f"impls={name}: not installed for device={options.device}{kind}; leave it out or install it"
            )
    return options.impls or there


def clouds(options: Common) -> list[Cloud]:
    """Return the synthetic rooms, then the prepared scene where one is given."""
    found = [room(voxels) for voxels in options.voxels]
    return found if options.scene is None else [*found, scene(options.scene, options.voxel_size)]


def bench(
    options: Common, prepare: Prepare, cases: Sequence[Case], able: Callable[[Case], list[str]], found: list[Cloud]
) -> None:
    """Measure each case with the implementations that ``able`` returns, print the table and write the rows."""
    cases = [case for case in cases if able(case)]
    if not cases:
        raise InputError("nothing to measure: an option is an empty list, or none of impls does these ops; add one")
    reports: list[Report] = []
    for case in tqdm(cases, desc="bench", unit="case"):
        report = measure(prepare, case, able(case), options.repeats, options.seconds, options.memory)
        reports.append(report)
        rows = [row for report in reports for row in report.rows]
        if options.json is not None:
            write_json(options.json, as_json(rows))
    measured = [name for name in peers(options.device) if any(row.impl.startswith(name) for row in rows)]
    print(header(reports, found, options.dtype, options.device, measured))
    print()
    print(table(rows))
    remarks = [Remark(name, remark, "") for name in measured if (remark := open_library(name, options.device).remark)]
    print(remarked(remarks + [remark for report in reports for remark in report.remarks]))
