"""The lock on a scene: one process at a time, and none once its process is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pcseg.annotation.lock import Lock
from pcseg.errors import InputError

HOLD = """
import sys, time
from pathlib import Path
from pcseg.annotation.lock import Lock
lock = Lock(Path(sys.argv[1]), "Ada")
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_told_who_and_takes_over_when_the_first_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "split/scene.jsonl"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(log)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=rf"being labeled by Ada \(process {process.pid} on .*, since "):
            Lock(log, "Bob")
        os.kill(process.pid, signal.SIGKILL)
    lock = Lock(log, "Bob")
    with pytest.raises(InputError, match="Bob"):
        Lock(log, "Cy")
    lock.release()
    Lock(log, "Cy").release()


def test_two_scenes_are_two_locks(tmp_path: Path) -> None:
    Lock(tmp_path / "a.jsonl", "Ada")
    Lock(tmp_path / "b.jsonl", "Bob")


def test_a_released_lock_is_released_once(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "a.jsonl", "Ada")
    lock.release()
    other = Lock(tmp_path / "a.jsonl", "Bob")
    lock.release()
    with pytest.raises(InputError):
        Lock(tmp_path / "a.jsonl", "Cy")
    other.release()
