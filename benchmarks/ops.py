"""Time single ops of pcseg side by side with their reference and other libraries; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.harness import convolutions, points
from benchmarks.harness.convolutions import CONVS
from benchmarks.harness.options import Common, at_least_one, bench, check, choose, choose_impls, clouds
from benchmarks.harness.points import DIFFERENTIABLE, PEERS
from benchmarks.harness.timing import DTYPES, Case, Task
from pcseg.command_line import option, run

OPS = (*CONVS, *PEERS)
OTHERS = ("pcseg", "reference", "numpy", "scipy", "torch", "open3d")


@dataclass
class Options(Common):
    """Time single ops and print a Markdown table.

    python -m benchmarks.ops voxels=[100000] channels=[32,64] ops=[subm3,down2] json=ops.json

    Convolutions: subm3 (3x3x3), down2 (2x2x2, stride 2) and up2 (its transpose), as many channels out as in, against
    torch.mm's rate and every other library installed (spconv, MinkowskiEngine; on a GPU torchsparse, warpconvnet,
    flex_gemm). The others: voxelize, kernel_map, segment (mean over the points of a voxel), neighbors (the 8 nearest)
    and devoxelize (nearest), against numpy, scipy, torch and open3d. Implementations take turns. Each
    result is compared with pcseg's on the same weights; an implementation that differs is marked (wrong).
    """

    channels: list[int] = option("channels in and out", factory=lambda: [32, 64, 128, 256])
    ops: list[str] = option("ops to time", factory=lambda: list(OPS))
    maps: list[bool] = option(
        "convolutions with the map kept (false) or built in each pass (true)", factory=lambda: [False, True]
    )


def prepare(case: Case, impl: str) -> Task:
    """Return the task of ``impl`` for an op of OPS."""
    return (convolutions if case.op in CONVS else points).prepare(case, impl)


def main(options: Options) -> None:
    check(options)
    choose("ops", options.ops, OPS)
    at_least_one("channels", options.channels)
    impls = choose_impls(options, OTHERS)
    found = clouds(options)
    cases = [
        Case(op, cloud, channels, mode, with_map, options.device, DTYPES[options.dtype], torch.get_num_threads())
        for cloud in found
        for op in options.ops
        for channels in (options.channels if op in CONVS or op in DIFFERENTIABLE else [None])
        for mode in (options.modes if op in CONVS or op in DIFFERENTIABLE else ["forward"])
        for with_map in (options.maps if op in CONVS else [False])
        if not (op == "up2" and with_map)
    ]

    def able(case: Case) -> list[str]:
        if case.op in CONVS:
            return [name for name in impls if name not in OTHERS[2:]]
        return [name for name in impls if name in points.implementations(case)]

    bench(options, prepare, cases, able, found)


if __name__ == "__main__":
    run(main, Options)
