"""Time pcseg.scatter beside the same reductions by torch's scatter_reduce; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

from pcseg.command_line import option, run  # before torch: pcseg chooses how the threads wait

# isort: split

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.harness.options import at_least_one
from benchmarks.harness.table import command, machine, markdown, short
from benchmarks.harness.timing import Task, interleaved
from pcseg import scatter
from pcseg.device import set_threads

REDUCTIONS = {"sum": "sum", "mean": "mean", "mul": "prod", "min": "amin", "max": "amax"}
"""The reductions of pcseg.scatter, by torch's names."""


@dataclass
class Options:
    """Time reductions of rows (P, C) to segments, forward and with the gradient; print a Markdown table.

    python -m benchmarks.scatter points=[100000,1000000] channels=[1,32]

    Both take the same tensors in turns; times are medians. torch's way is zeros.scatter_reduce(0, index, values) with
    the index expanded over the channels. pcseg.scatter's min and max also say which row is the smallest or largest.
    """

    points: list[int] = option("rows", factory=lambda: [100_000, 1_000_000])
    channels: list[int] = option("columns", factory=lambda: [1, 32])
    share: int = option("rows a segment, on average", 8)
    device: str = option("cpu or cuda", "cpu")
    repeats: int = option("samples of each", 7)
    threads: int | None = option("CPU threads; null for all cores", None)


@dataclass(frozen=True)
class Work:
    """Rows ``values`` (P, C) and the segment ``index`` (P,) of each, of ``count``."""

    values: Tensor
    index: Tensor
    count: int

    def ours(self, kind: str) -> Tensor:
        """Return the reduction by pcseg.scatter."""
        return scatter.scatter(self.values, self.index, 0, dim_size=self.count, reduce=kind)

    def theirs(self, kind: str) -> Tensor:
        """Return the same by torch."""
        neutral = 1.0 if kind == "mul" else 0.0  # as torch_scatter has it where a segment is empty
        empty = self.values.new_full((self.count, self.values.shape[1]), neutral)
        index = self.index[:, None].expand_as(self.values)
        return empty.scatter_reduce(0, index, self.values, REDUCTIONS[kind], include_self=kind == "mul")


def task(make: Callable[[], Tensor], values: Tensor, backward: bool) -> Task:
    """Return the work of ``make``, with the gradient of its sum where asked for."""

    def work() -> tuple[Tensor, ...]:
        made = make()
        return torch.autograd.grad(made.sum(), values) if backward else (made.detach(),)

    return Task(work, work)


def main(options: Options) -> None:
    """Measure and print."""
    for name in ("points", "channels"):
        at_least_one(name, getattr(options, name))
    at_least_one("share, repeats", [options.share, options.repeats])
    if options.threads is not None:
        set_threads(options.threads)
    rows = []
    for points in options.points:
        for channels in options.channels:
            generator = torch.Generator().manual_seed(0)
            count = max(1, points // options.share)
            index = torch.randint(count, (points,), generator=generator).to(options.device)
            values = torch.rand(points, channels, generator=generator).to(options.device).requires_grad_()
            work = Work(values, index, count)
            for kind in REDUCTIONS:
                torch.testing.assert_close(work.ours(kind), work.theirs(kind), rtol=1e-4, atol=1e-5)
                for mode, backward in (("forward", False), ("forward and backward", True)):
                    seconds = interleaved(
                        {
                            "ours": task(partial(work.ours, kind), values, backward),
                            "torch": task(partial(work.theirs, kind), values, backward),
                        },
                        options.repeats,
                        0.05,
                    )
                    figures = [1000 * seconds["ours"], 1000 * seconds["torch"], seconds["ours"] / seconds["torch"]]
                    rows.append([kind, f"{points:,}", str(channels), mode, *map(short, figures)])
    print(f"{machine(options.device)}.\n{command()}\n")
    print(markdown(("reduction", "rows:", "channels:", "mode", "pcseg ms:", "torch ms:", "times torch:"), rows))


if __name__ == "__main__":
    run(main, Options)
