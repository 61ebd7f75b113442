"""The benchmark of scatter: both sides compute the same, and a row of the table is a row of the work."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from benchmarks import scatter


@pytest.mark.parametrize("kind", scatter.REDUCTIONS)
def test_both_compute_the_same(kind: str) -> None:
    index = torch.tensor([0, 2, 2, 0, 4])
    work = scatter.Work(torch.arange(1.0, 11).view(5, 2).requires_grad_(), index, 5)
    assert torch.equal(work.ours(kind), work.theirs(kind))
    ways = (partial(work.ours, kind), partial(work.theirs, kind))
    gradients = [scatter.task(way, work.values, True).run() for way in ways]
    torch.testing.assert_close(*gradients)


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    scatter.main(scatter.Options(points=[64], channels=[2], repeats=1))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 2 * len(scatter.REDUCTIONS)
    assert lines[2].startswith("| sum | 64 | 2 | forward |")
