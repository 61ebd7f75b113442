"""The cost of methods by whole runs: the processor time between two numbers of steps."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks import cost
from pcseg.errors import InputError
from tests.tools._runs import TINY, building


def options(root: Path, *more: str, **changed: object) -> cost.Options:
    where = (f"data.root={root}", "data.train=[Area_1]", "data.test=[Area_5]", "batch_size=2")
    base = {"labels": "full", "methods": ["view_consistency"], "short": 1, "long": 3, "repeats": 1}
    return cost.Options(settings=[*where, *TINY, *more], **base | changed)  # type: ignore[arg-type]


def test_the_time_is_that_between_two_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def pretend(options: cost.Options, method: str, steps: int) -> float:
        asked.append((method, steps))
        return 10 + steps * (2.0 if method == "supervised" else 3.0)

    monkeypatch.setattr(cost, "processor_time", pretend)
    assert cost.measure(options(Path("x"), repeats=2)) == {"supervised": 2.0, "view_consistency": 3.0}
    assert asked == 2 * [("supervised", 1), ("supervised", 3), ("view_consistency", 1), ("view_consistency", 3)]


def test_a_method_that_fails_does_not_cost_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(options: cost.Options, method: str, steps: int) -> float:
        if method == "a":
            raise InputError("method=a: no")
        return float(steps)

    monkeypatch.setattr(cost, "processor_time", pretend)
    found = cost.measure(options(Path("x"), methods=["a", "b"]))
    assert math.isnan(found["a"])
    assert (found["supervised"], found["b"]) == (1, 1)


def test_a_run_takes_time_and_a_refused_one_says_why(tmp_path: Path) -> None:
    root = building(tmp_path)
    assert cost.processor_time(options(root), "supervised", 1) > 0.1
    with pytest.raises(InputError, match=r"^method=supervised: error: .*clipp"):
        cost.processor_time(options(root, "clipp=1"), "supervised", 1)


@pytest.mark.parametrize("changed", [{"short": 0}, {"short": 3}, {"repeats": 0}])
def test_refuses_numbers(changed: dict[str, int]) -> None:
    with pytest.raises(InputError, match="short below long"):
        cost.measure(options(Path("x"), **changed))
