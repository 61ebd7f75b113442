"""No click that the server confirmed is lost when it is killed."""

from __future__ import annotations

from pathlib import Path

from tests.annotation.kill import click_until_killed, lost
from tests.annotation.rooms import write_root
from tests.annotation.running import Running


def test_nothing_confirmed_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    root, confirmed = write_root(tmp_path, count=600), list[str]()
    for kill, wait in enumerate((0.15, 0.6)):
        confirmed += click_until_killed(root, wait, 1000 * kill)
        assert not lost(root, confirmed)
    assert len(confirmed) > 5


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    running = Running(write_root(tmp_path, count=90))
    assert running.stop() == 130
    assert "clicks are kept in" in running.lines[0]
