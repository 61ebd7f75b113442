"""Time sparse convolution over the same voxels in different orders; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.harness.clouds import room
from benchmarks.harness.options import at_least_one
from benchmarks.harness.table import markdown
from benchmarks.harness.timing import Task, interleaved
from pcseg import ops
from pcseg.command_line import option, run
from pcseg.sparse import kernel_offsets


@dataclass
class Options:
    """Time a 3x3x3 convolution over voxels in the order of voxelize (lexicographic), in Z-order and in random order.

    python -m benchmarks.order voxels=[300000] channels=[32,64]

    For each size and number of channels: the convolution, its weight gradient, and building the map. The orders take
    turns. Prints a Markdown table.
    """

    voxels: list[int] = option("sizes of the synthetic rooms", factory=lambda: [100_000, 300_000, 1_000_000])
    channels: list[int] = option("channels in and out", factory=lambda: [32, 64])
    repeats: int = option("samples of each", 7)
    seconds: float = option("a sample repeats short work for at least about this long", 0.3)


def main(options: Options) -> None:
    for name, values in (("voxels", options.voxels), ("channels", options.channels), ("repeats", [options.repeats])):
        at_least_one(name, values)
    lines = []
    rooms = {voxels: torch.from_numpy(room(voxels).coords) for voxels in options.voxels}
    cases = [(voxels, channels) for voxels in options.voxels for channels in [*options.channels, None]]
    for voxels, channels in tqdm(cases, desc="bench", unit="case"):
        coords = rooms[voxels]
        for work, make in _work(coords, channels):
            tasks = {name: Task(make(coords[order]), tuple) for name, order in orders(coords).items()}
            first, *others = interleaved(tasks, options.repeats, options.seconds).values()
            lines.append([f"{voxels:,}", work, f"{1e3 * first:.3g}", *(f"{other / first:.2f}" for other in others)])
    print(markdown(("voxels:", "work", "lexicographic, ms:", "Z-order, times that:", "random, times that:"), lines))


def orders(coords: Tensor) -> dict[str, Tensor]:
    """Return rows (N,) of ``coords`` (N, 4), not negative: in the order given, in Z-order and shuffled."""
    code = torch.zeros(len(coords), dtype=torch.int64)
    for bit in range(20):
        for axis in range(3):
            code |= (coords[:, 1 + axis].long() >> bit & 1) << (3 * bit + 2 - axis)
    shuffled = torch.randperm(len(coords), generator=torch.Generator().manual_seed(0))
    return {"lexicographic": torch.arange(len(coords)), "Z-order": code.argsort(), "random": shuffled}


Make = Callable[[Tensor], Callable[[], object]]
"""From voxels (N, 4) in some order to the work that is timed on them."""


def _work(coords: Tensor, channels: int | None) -> list[tuple[str, Make]]:
    """Return names and makers of the work: convolution and weight gradient or, where ``channels`` is None, the map."""
    if channels is None:
        return [("map", lambda coords: lambda: ops.kernel_map(coords, coords, kernel_offsets(3)))]
    feats, weight = torch.randn(len(coords), channels), torch.randn(27, channels, channels)

    def conv(coords: Tensor) -> Callable[[], object]:
        pairs, starts = ops.kernel_map(coords, coords, kernel_offsets(3))
        return lambda: ops.sparse_conv(feats, weight, pairs, starts, len(coords))

    def weight_grad(coords: Tensor) -> Callable[[], object]:
        pairs, starts = ops.kernel_map(coords, coords, kernel_offsets(3))
        return lambda: torch.ops.pcseg.sparse_conv_weight_grad(feats, feats, pairs, starts)

    return [(f"{channels} channels, forward", conv), (f"{channels} channels, weight gradient", weight_grad)]


if __name__ == "__main__":
    run(main, Options)
