"""Shared by the tests of benchmarks: a small product that sets the limit, and a stand-in for spconv."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from benchmarks.harness import measure, table, timing
from benchmarks.peers.library import open_library
from tests.benchmarks._runs import STUBS


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let matrices of side 128 set the limit of each case: those of side 2048 take a second a case."""
    for module in (measure, table, timing):
        monkeypatch.setattr(module, "side", lambda device: 128)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the stand-in for spconv installed, for this process alone."""
    monkeypatch.syspath_prepend(STUBS)
    _forget()
    yield
    _forget()


def _forget() -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == "spconv" or name == "benchmarks.peers.spconv":
            del sys.modules[name]
    open_library.cache_clear()
