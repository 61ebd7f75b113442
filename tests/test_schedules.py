"""Schedules against torch's own, and at their ends."""

from __future__ import annotations

import pytest
import torch

from pcseg.errors import InputError
from pcseg.schedules import Constant, Cosine, OneCycle, Poly


def test_one_cycle_is_that_of_torch():
    # torch counts the warm-up to its last step inclusive, we to the first step after it: hence the shifts by one.
    steps = 101
    parameter = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, steps + 1, pct_start=21 / (steps + 1), div_factor=10, final_div_factor=100, cycle_momentum=False
    )
    ours = OneCycle(warmup=20 / steps, div=10, final_div=100)
    for step in range(steps):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(ours(step / steps), abs=1e-9)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("schedule", [OneCycle(warmup=0.2), Cosine(warmup=0.2), Poly(warmup=0.2), Constant()])
def test_the_peak_is_one_and_the_factor_stays_between(schedule):
    values = [schedule(i / 100) for i in range(101)]
    assert schedule(0.2) == pytest.approx(1)
    assert max(values) == pytest.approx(1)
    assert min(values) >= 0


def test_falls_end_where_they_should():
    assert OneCycle(final_div=100)(1.0) == pytest.approx(1 / 1000)
    assert Cosine(floor=0.1)(1.0) == pytest.approx(0.1)
    assert Cosine()(0.5) == pytest.approx(0.5)
    assert Poly(power=2)(0.5) == pytest.approx(0.25)


@pytest.mark.parametrize("warmup", [-0.1, 1.0])
def test_a_warm_up_longer_than_the_run_is_refused(warmup):
    with pytest.raises(InputError, match="warmup"):
        OneCycle(warmup=warmup)
