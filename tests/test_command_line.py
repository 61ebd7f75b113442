"""The command line: help, errors in one line with exit code 2, in several processes too; checks of outputs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pcseg.command_line import check_output, guard, printable
from pcseg.errors import InputError

PROGRAM = """
import sys
from dataclasses import dataclass
from pcseg.command_line import option, run
from pcseg.errors import InputError

@dataclass
class Options:
    \"\"\"Counts things.\"\"\"
    input: str = option("what to count")
    times: int = option("how often", 3)
    areas: list[str] = option("where", factory=lambda: ["a"])

def main(options):
    if options.times < 0:
        raise InputError(f"times={options.times}: must not be negative")
    print(options.input, options.times, options.areas)

run(main, Options)
"""


def call(*arguments: str | bytes, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_values_arrive_typed_and_defaults_hold() -> None:
    done = call("input=x", "areas=[b,c]")
    assert (done.returncode, done.stdout.strip()) == (0, "x 3 ['b', 'c']")


def test_help_names_every_argument() -> None:
    done = call("--help")
    assert done.returncode == 0
    assert all(
        word in done.stdout for word in ("Counts things.", "input", "what to count", "required", "times", "default 3")
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "input"),
        (("input=x", "times=often"), "often"),
        (("input=x", "tims=3"), "tims=3"),
        (("x",), "'x'"),
        (("input=x", "times=-1"), "times=-1"),
        (("input=x", "times=a\nb\x1b[2J"), r"\x1b[2J"),
        (("input=x", "times=" + "x" * 100_000), "whole number"),
        ((b"input=x", b"times=\xff"), r"\udcff"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: tuple[str | bytes, ...], named: str) -> None:
    done = call(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert named in done.stderr
    assert done.stderr.startswith("error: ")


def test_names_that_cannot_be_printed_are_printed_as_escapes() -> None:
    done = call(b"input=\xff\xc3\xa9", "times=2", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout.split()[0]) == (0, r"\udcff\xe9")
    assert printable("über 1\n2\t\x1b") == r"über 1\n2\t\x1b"


@pytest.mark.parametrize("sink", ["/dev/full", "nobody"])
def test_output_that_nobody_takes_is_one_line(sink: str) -> None:
    command = [sys.executable, "-c", PROGRAM, "input=x"]
    read, write = os.pipe()
    os.close(read)
    with open(sink, "w") if sink != "nobody" else os.fdopen(write, "w") as stream:
        done = subprocess.run(command, stdout=stream, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"error: the system refuses: .*(No space left on device|Broken pipe)\n", done.stderr)


def program(rank: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, "input=x", "times=-1"]
    variables = {"RANK": rank, "WORLD_SIZE": "2"}
    return subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.PIPE, text=True)


def test_of_several_processes_the_first_tells_what_all_find_wrong() -> None:
    processes = [program("0"), program("1")]
    (_, first), code = processes[0].communicate(timeout=60), processes[0].returncode
    assert (first, code) == ("error: times=-1: must not be negative\n", 2)
    assert processes[1].poll() is None
    processes[1].terminate()  # as torchrun does
    assert processes[1].communicate(timeout=60)[1] == ""


def test_of_several_processes_one_alone_tells_what_it_finds_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)  # not ended meanwhile
    monkeypatch.setenv("RANK", "1")

    def fail() -> None:
        raise InputError("labels: are of other classes")

    with pytest.raises(SystemExit) as left:
        guard(fail)
    assert (left.value.code, capsys.readouterr().err) == (2, "error: labels: are of other classes\n")
    assert waits == [10]


def test_torchrun_shows_an_error_once(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "3", "--standalone", "--no-python"]
    command += [sys.executable, str(tmp_path / "tool.py"), "input=x", "times=-1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.count("must not be negative") == 1
    assert "error: times=-1: must not be negative\n" in done.stderr
    assert str(tmp_path) not in "".join(re.findall(r'File ".*"', done.stderr)), "a traceback of the tool"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file"


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize("name", ["new", "a/b/c", "data #2", "2024_01_15/001", "x" * 200, "ü/*", "."])
def test_an_output_that_can_be_is_left_alone(name: str, folder: bool, tmp_path: Path) -> None:
    if name == "." and not folder:
        return
    check_output(str(tmp_path / name), folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [True, False])
def test_an_output_that_cannot_be_is_refused(folder: bool, file: Path) -> None:
    wrong = {
        "": "is empty",
        f"{file}/x": "is a file and no folder",
        f"{file}/x/y": "is a file and no folder",
        f"{file}{'x' * 250}": "File name too long",
        f"{file.parent}/{'y' * 300}/z": "File name too long",
    }
    wrong |= {str(file): "is a file and no folder"} if folder else {str(file.parent): "is a folder"}
    if sys.platform == "linux":
        wrong |= {"/proc/x/y": "cannot write in /proc", "/sys/x": "cannot write in /sys"}
    for output, words in wrong.items():
        with pytest.raises(InputError, match=re.escape(words)):
            check_output(output, folder)
    with pytest.raises(InputError, match=r"^json=: is empty"):
        check_output("", folder, "json")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_place_of_others_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    for output in ("x", "x/y"):
        with pytest.raises(InputError, match="Permission denied"):
            check_output(str(tmp_path / output), folder=True)
