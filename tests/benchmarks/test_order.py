"""benchmarks/order.py from the command line, on clouds of a few hundred voxels."""

from __future__ import annotations

import torch

from benchmarks.order import orders
from tests.benchmarks._runs import bench_here
from tests.tools._runs import failed


def test_a_line_for_each_work() -> None:
    done = bench_here("order", "voxels=[400,500]", "channels=[4]", "repeats=1", "seconds=0")
    assert done.returncode == 0, done.stderr
    lines = [line.split(" | ")[:2] for line in done.stdout.splitlines()[2:]]
    works = ["4 channels, forward", "4 channels, weight gradient", "map"]
    assert lines == [[f"| {voxels}", work] for voxels in (400, 500) for work in works]


def test_a_size_of_zero() -> None:
    failed(bench_here("order", "voxels=[0]"), "voxels=0")


def test_z_order_keeps_cubes_together() -> None:
    side = torch.arange(16, dtype=torch.int32)
    coords = torch.cartesian_prod(side[:1], side, side, side)
    for size in (2, 4, 8):
        cubes = coords[orders(coords)["Z-order"]].view(-1, size**3, 4) // size
        assert (cubes == cubes[:, :1]).all()
