"""Time networks of pictures of pcseg side by side with those of other libraries; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tqdm import tqdm

from benchmarks.harness.measure import LIMIT, in_a_line
from benchmarks.harness.options import Shared, at_least_one, choose
from benchmarks.harness.pictures import Candidate, Work, candidates, open_peers
from benchmarks.harness.table import short
from benchmarks.harness.timing import interleaved, matmul, side
from benchmarks.peers.library import version
from pcseg.command_line import option, run
from pcseg.engine.memory import keep_freed_memory
from pcseg.errors import InputError


@dataclass
class Options(Shared):
    """Time training steps and inference of networks of pictures, and print a Markdown table.

    python -m benchmarks.pictures networks=[v3plus_resnet50,v3_resnet50] batch_size=8 device=cuda precision=bf16-mixed

    A step is forward, loss, backward and optimizer (AdamW) on random pictures; inference gives the scores of all
    pixels. All take turns; times are medians. Beside pcseg's networks are DeepLabv3+ of segmentation_models_pytorch
    with the same encoders and, of torchvision, DeepLabv3 (v3_resnet50), where these are installed, as they come but in
    channels-last layout. GFLOP: multiplications and additions of inference on one picture. Times the limit: the time
    over that of so many operations (thrice as many for a step) at torch.mm's rate.
    """

    networks: list[str] = option("names of networks, as in the table; [] for all", factory=list)
    size: list[int] = option("height and width of the pictures", factory=lambda: [192, 240])
    batch_size: int = option("pictures at a time; 2 or more", 4)
    repeats: int = option("samples of each", 7)
    precision: str = option("32-true or bf16-mixed", "32-true")


@dataclass(frozen=True)
class Row:
    """A row of the table: medians in milliseconds, for a batch; ``gflop`` for a picture."""

    network: str
    library: str
    parameters: int
    gflop: float
    inference_ms: float
    step_ms: float
    inference_times_limit: float
    step_times_limit: float


def main(options: Options) -> None:
    peers, absent = open_peers()
    chosen = check(options, candidates(peers))
    device = options.begin()
    torch.set_float32_matmul_precision("highest")  # no TF32
    if device == "cpu":
        keep_freed_memory()  # as tools/train.py does
    works = build(chosen, options, device, absent)
    rows = measure(works, options, device)
    names = (
        "network", "library", "parameters, M:", "GFLOP:", "inference, ms:", "times the limit:", "step, ms:",
        "times the limit:", "step, times pcseg:",
    )  # fmt: skip
    height, width = options.size
    measured = [name for name in peers if any(row.library == name for row in rows)]
    remark = ", ".join(["", *map(version, measured), f"{options.batch_size} pictures of {width} x {height}"])
    left_out = "".join(f"\n{name} is left out: {why}." for name, why in absent.items())
    options.finish(device, f"{remark}, {options.precision}.{left_out}", names, rows, cells(rows))


def check(options: Options, known: Sequence[Candidate]) -> list[Candidate]:
    """Return the networks to measure, in the order of the table; raises InputError for the first invalid value."""
    choose("networks", options.networks, dict.fromkeys(candidate.network for candidate in known))
    choose("precision", [options.precision], ("32-true", "bf16-mixed"))
    at_least_one("size", options.size)
    at_least_one("repeats", [options.repeats])
    if len(options.size) != 2:
        raise InputError(f"size={options.size}: give height and width, such as [180,240]")
    if options.batch_size < 2:
        raise InputError(f"batch_size={options.batch_size}: give 2 or more, which batch norms of a pooled map need")
    return [candidate for candidate in known if not options.networks or candidate.network in options.networks]


def build(chosen: Sequence[Candidate], options: Options, device: str, absent: dict[str, str]) -> dict[Candidate, Work]:
    """Return the networks that do a step; why one of another library does not is added to ``absent``."""
    size, works = (options.size[0], options.size[1]), {}
    for candidate in tqdm(chosen, desc="build", unit="network", leave=False):
        try:
            work = Work(candidate, options.batch_size, size, device, options.precision)
            work.step()
        except Exception as error:  # of another library, of any type
            if candidate.library == "pcseg":
                raise
            absent[f"{candidate.network} of {candidate.library}"] = in_a_line(error)
            continue
        works[candidate] = work
    return works


def measure(works: dict[Candidate, Work], options: Options, device: str) -> list[Row]:
    """Return a row for each network; all take turns, with the product that sets the limit."""
    dtype = torch.float32 if options.precision == "32-true" else torch.bfloat16
    tasks = {f"{i} {name}": task for i, work in enumerate(works.values()) for name, task in work.tasks().items()}
    seconds = interleaved({LIMIT: matmul(device, dtype), **tasks}, options.repeats, 0)
    rate = 2 * side(device) ** 3 / seconds[LIMIT]
    rows = []
    for i, (candidate, work) in enumerate(works.items()):
        flops, inference, step = work.flops(), seconds[f"{i} inference"], seconds[f"{i} step"]
        limit = options.batch_size * flops / rate
        rows.append(
            Row(
                candidate.network, candidate.library, work.parameters, flops / 1e9,
                1e3 * inference, 1e3 * step, inference / limit, step / (3 * limit),
            )
        )  # fmt: skip
    return rows


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """Return the cells of the table; the last column compares with pcseg's network of the same name."""
    own = {row.network: row.step_ms for row in rows if row.library == "pcseg"}
    found = []
    for row in rows:
        ratio = row.step_ms / own[row.network] if row.network in own else None
        numbers = (row.gflop, row.inference_ms, row.inference_times_limit, row.step_ms, row.step_times_limit)
        shown = [short(number) for number in numbers]
        found.append([row.network, row.library, f"{row.parameters / 1e6:.1f}", *shown, short(ratio)])
    return found


if __name__ == "__main__":
    run(main, Options)
