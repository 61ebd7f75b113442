"""No worker process outlives its parent, and one that dies costs only its task."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from pcseg.errors import InputError
from pcseg.workers import Died, in_processes

PARENT = """
from pcseg.workers import in_processes

if __name__ == "__main__":
    for _, result in in_processes(eval, ["__import__('os').getpid()", "__import__('time').sleep(60)"], 1):
        print(result, flush=True)
"""


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs /proc to look for the worker")
def test_kill_9_leaves_no_worker(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert alive(worker)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not alive(worker):
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker lives on")


def square(number: int) -> int:
    return number * number


def deadly(task: tuple[int, str]) -> int:
    """Return the number doubled; an even number kills its process, in the requested way."""
    number, way = task
    if number % 2:
        return 2 * number
    if way == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, way))
    time.sleep(60)
    return 0


def killed_once(file: str) -> str:
    """Kill the process the first time."""
    if not os.path.exists(file):
        Path(file).write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def wrong(number: int) -> int:
    raise InputError(f"number={number}: is wrong") if number == 3 else ZeroDivisionError("by 4")


def asleep(seconds: float) -> None:
    time.sleep(seconds)


def unlucky(number: int) -> int:
    class Panic(BaseException):
        """Raised as by Rust, not derived from Exception."""

    if number == 2:
        raise Panic
    return number


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_task_is_done_once(workers: int) -> None:
    assert sorted(in_processes(square, range(9), workers)) == [(i, i * i) for i in range(9)]
    assert list(in_processes(square, [], workers)) == []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("way", "reason"), [
    ("SIGKILL", "was killed, perhaps for lack of memory"), ("SIGABRT", "died of SIGABRT"),
    ("SIGSEGV", "died of SIGSEGV"), ("exit", "ended with code 3"),
])  # fmt: skip
def test_a_process_that_dies_costs_its_task_alone(workers: int, way: str, reason: str) -> None:
    found = dict(in_processes(deadly, [(i, way) for i in range(5)], workers))
    assert found == {(i, way): 2 * i if i % 2 else Died(f"its process {reason}") for i in range(5)}


def test_a_panic_costs_its_task_alone() -> None:
    found = dict(in_processes(unlucky, range(4), 2))
    assert [found[i] for i in (0, 1, 3)] == [0, 1, 3]
    assert isinstance(found[2], Died)


def test_a_task_whose_process_was_killed_from_outside_is_tried_again(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in "abc"]
    assert dict(in_processes(killed_once, files, 2)) == dict.fromkeys(files, "done")


def test_exceptions_of_a_task_are_raised_here() -> None:
    with pytest.raises(InputError, match=r"^number=3: is wrong$"):
        list(in_processes(wrong, [3], 2))
    with pytest.raises(ZeroDivisionError, match="by 4"):
        list(in_processes(wrong, [4], 1))


def test_stopping_early_waits_for_nothing() -> None:
    begin = time.monotonic()
    with closing(in_processes(asleep, [0.0, 300.0, 300.0], 2)) as done:
        assert next(done) == (0.0, None)
    assert time.monotonic() - begin < 60


UNGUARDED = """
from pcseg.workers import in_processes
from pcseg.errors import InputError
try:
    print(list(in_processes(abs, [1, 2], 1)))
except InputError as error:
    print(error)
"""


def test_a_script_without_its_guard_is_refused(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = run_script(tmp_path / "script.py")
    assert "put the call below if __name__ == '__main__':" in done.stdout


FEW_HANDLES = """
import resource
from pcseg.workers import in_processes

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
    print(sorted(in_processes(abs, range(20), 16)) == [(i, i) for i in range(20)])
"""


@pytest.mark.parametrize("limit", [24, 40])
def test_few_file_handles_make_few_workers(tmp_path: Path, limit: int) -> None:
    (tmp_path / "script.py").write_text(FEW_HANDLES.format(limit=limit))
    done = run_script(tmp_path / "script.py")
    assert done.stdout == "True\n", done.stderr


def run_script(path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run([sys.executable, str(path)], env=environment, capture_output=True, text=True, timeout=120)
