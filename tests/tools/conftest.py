"""Fixtures: a building of four rooms, and tools/draw_labels.py run in this process."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools._runs import building

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Done:
    """The end of a command."""

    returncode: int
    stdout: str
    stderr: str


Call = Callable[..., Done]


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the rooms of ``building``; its label file lies beside it."""
    return building(tmp_path_factory.mktemp("building"))


@pytest.fixture
def draw_labels(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Return a function that runs the tool with its arguments, and without the seconds of imports."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["draw_labels.py", *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(REPOSITORY / "tools" / "draw_labels.py"), run_name="__main__")
        captured = capsys.readouterr()
        return Done(int(end.value.code or 0), captured.out, captured.err)

    return run
