"""The argument parser the tools share: values arrive typed, mistakes leave in one line with exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
PROGRAM = """
import sys
sys.path.insert(0, {tools!r})
from dataclasses import dataclass
from _cli import option, run
from pcseg.errors import InputError

@dataclass
class Options:
    \"\"\"Counts things.\"\"\"
    input: str = option("what to count")
    times: int = option("how often", 3)
    areas: list[str] = option("where", factory=lambda: ["a"])

def main(options):
    if options.times < 0:
        raise InputError(f"times={{options.times}}: must not be negative")
    print(options.input, options.times, options.areas)

run(main, Options)
"""


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(tools=str(TOOLS))
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


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
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: tuple[str, ...], named: str) -> None:
    done = call(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert named in done.stderr
    assert done.stderr.startswith("error: ")
