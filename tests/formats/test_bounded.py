"""A reader in a separate process: whatever it does, this process only raises a one-line error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pcseg.errors import InputError
from pcseg.formats import bounded

READER = """
import ctypes, os, sys, time

def read(request):
    do = request["do"]
    yield {"pid": os.getpid(), "modules": sorted(sys.modules)}, [b"begin"]
    if do == "sleep":
        time.sleep(1000)
    elif do == "loop":
        while True:
            pass
    elif do == "abort":
        os.abort()
    elif do == "segfault":
        ctypes.string_at(8)
    elif do == "exit":
        os._exit(3)
    elif do == "allocate":
        bytearray(3 << 30)
    elif do == "grow":
        kept = []
        while True:
            kept.append(bytearray(1 << 20))
    elif do == "native":  # as Rust ends where it gets no memory
        os.write(2, b"memory allocation of 30000000000 bytes failed\\n")
        os.abort()
    elif do == "panic":
        os.write(2, b"thread '<unnamed>' panicked at src/lib.rs:1\\n")
        class Panic(BaseException):
            pass
        raise Panic("called `Option::unwrap()` on a None value\\nand more")
    elif do == "raise":
        raise ValueError("odd")
    elif do == "print":
        print("printed by a library", flush=True)
        os.write(1, b"and by one in C")
        sys.stderr.write("a warning\\n")
    elif do == "flood":
        yield {}, [bytearray(64 << 20)] * 20
    elif do == "rubbish":
        links = [f"/proc/self/fd/{fd}" for fd in range(3, 30)]
        fds = [int(link[14:]) for link in links if os.path.exists(link) and os.readlink(link).startswith("pipe")]
        for fd in fds:
            try:
                os.write(fd, b"\\xff" * 100)
            except OSError:
                pass
        os._exit(0)
    for turn in range(request.get("count", 1)):
        yield {"turn": turn}, [bytes([turn]) * 100_000, b"", memoryview(b"x" * 10)]
"""


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    (tmp_path / "reader.py").write_text(READER)
    return tmp_path / "reader.py"


def run(reader: Path, do: str, count: int = 1, **bounds: float) -> list[bounded.Piece]:
    request = {"do": do, "count": count}
    return list(bounded.pieces(Path("a.laz"), "LAZ", reader, request, **bounds))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("do", "said"),
    [
        ("sleep", "took more than 0.5 s"), ("loop", "took more than 0.5 s"), ("abort", "died of SIGABRT"),
        ("segfault", "died of SIGSEGV"), ("exit", "ended early"),
        ("panic", "called `Option::unwrap... on a None value"),
        ("raise", "odd"), ("flood", "ended early|died of"), ("native", "more than 256 MB of memory"),
        ("allocate", "too much memory"), ("grow", "too much memory"), ("rubbish", "ended early|died of"),
    ],
)  # fmt: skip
def test_whatever_a_reader_does_is_one_line(
    reader: Path, capfd: pytest.CaptureFixture[str], do: str, said: str
) -> None:
    if do in ("allocate", "grow", "rubbish") and sys.platform != "linux":
        pytest.skip("no bound of memory here")
    begun = time.monotonic()
    with pytest.raises(InputError, match=rf"^a\.laz: not a readable LAZ file \(.*({said}).*\); .*again$") as caught:
        run(reader, do, memory=1 << 28, seconds=0.5 if do in ("sleep", "loop") else 60)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - begun < 30
    pieces = run(reader, "nothing", 3)  # the next file is read as usual
    assert [described.get("turn") for described, _ in pieces] == [None, 0, 1, 2]
    assert [len(buffer) for buffer in pieces[3][1]] == [100_000, 0, 10]
    assert set(pieces[3][1][0].tolist()) == {2}
    assert capfd.readouterr() == ("", "")


def test_prints_of_a_library_are_discarded(reader: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert len(run(reader, "print")) == 2
    assert capfd.readouterr() == ("", "")


def test_one_light_process_serves_all_files(reader: Path) -> None:
    first, second = (run(reader, "nothing")[0][0] for _ in range(2))
    with pytest.raises(InputError, match="odd"):
        run(reader, "raise")
    assert first["pid"] == second["pid"] == run(reader, "nothing")[0][0]["pid"] != os.getpid()
    assert not {"torch", "pcseg", "laspy", "scipy"} & {*second["modules"]}


def test_streams_may_be_left_and_interleaved(reader: Path) -> None:
    def stream(count: int) -> object:
        return bounded.pieces(Path("a.laz"), "LAZ", reader, {"do": "nothing", "count": count})

    left, other = stream(50), stream(2)
    next(left)  # type: ignore[call-overload]
    assert len(list(other)) == 3  # type: ignore[call-overload]
    del left
    assert len(run(reader, "nothing", 5)) == 6
    assert len(bounded._idle) <= 1


def test_threads_do_not_mix(reader: Path) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda k=k: found.append(len(run(reader, "nothing", k)))) for k in range(1, 7)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [2, 3, 4, 5, 6, 7]


def test_a_fork_has_a_process_of_its_own(reader: Path) -> None:
    before = run(reader, "nothing")[0][0]["pid"]
    inner = os.fork()
    if inner == 0:
        code = 1
        try:
            other = run(reader, "nothing")[0][0]["pid"]
            code = 0 if other != before and len(run(reader, "nothing", 4)) == 5 else 2
        finally:
            bounded._end_all()
            os._exit(code)
    assert os.waitpid(inner, 0)[1] == 0
    assert run(reader, "nothing")[0][0]["pid"] == before


PARENT = """
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell takes from what it runs in the background
from pcseg.formats import bounded
pieces = bounded.pieces(Path("a.laz"), "LAZ", Path(sys.argv[1]), {"do": sys.argv[2]})
print(next(pieces)[0]["pid"], flush=True)
next(pieces)
input()
"""


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return state.is_file() and state.read_text().rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("do", ["sleep", "nothing"])
def test_it_ends_with_its_parent(reader: Path, how: signal.Signals, do: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(reader), do],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(how)
    parent.communicate()
    deadline = time.monotonic() + 20
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone(pid)
