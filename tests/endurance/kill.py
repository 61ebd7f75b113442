"""Kills every tool at random moments and tries again: python -m tests.endurance.kill times=100 seed=0.

Each round takes a tool, starts it in a copy of a small data set, ends its whole process group by SIGKILL at a random
moment of its usual duration, and looks: what stands under its name must be whole (it is read); the same command, run
again, must succeed and leave nothing behind; a training that is resumed must end with the weights and the curve of one
that was never killed, bit for bit.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.forked import run_script

TOOLS = Path(__file__).resolve().parents[2] / "tools"
LEFT = re.compile(r"^\..+\.(tmp|old)$")


@dataclass(frozen=True)
class Command:
    """A tool with its arguments, run in a folder of its own.

    ``again`` are further arguments of the second run where the file ``begun`` is there.
    """

    name: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    again: tuple[str, ...] = ()
    begun: str = ""

    def start(self, folder: Path, more: Sequence[str] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-B", str(TOOLS / f"{self.name}.py"), *self.arguments, *more],
            cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip


TRAIN = (
    "experiment=simulated", "method=dense_propagation", "data.root=scenes", "data.train=[Area_1]", "data.test=[Area_2]",
    "labels.file=labels.npz", "output=run", "steps=16", "checkpoint_every=2", "evaluate_every=8", "batch_size=2",
    "workers=1", "tensorboard=false", "data.max_sample=5000", "optim=sgd_poly",
)  # fmt: skip
ROOM = "raw/Area_2/{room}/{room}.txt"
BUILDING = ("areas=2", "rooms=2", "points=8000", "frames=1", "workers=2")
SPLIT = "splits=[Area_1]"


def commands(room: str) -> list[Command]:
    """The tools, in the order in which each finds what it needs; ``room`` is one of Area_2."""
    scan = ROOM.format(room=room)
    return [
        Command("simulate", ("output=raw", *BUILDING), ("raw",)),
        Command("prepare", ("input=raw", "output=scenes", "workers=2"), ("scenes",)),
        Command(
            "draw_labels",
            ("root=scenes", SPLIT, "fraction=0.2", "output=labels.npz"),
            ("labels.npz",),
            ("overwrite=true",),
            "labels.npz",
        ),
        Command("train", TRAIN, ("run",), ("resume=true",), "run/resume.safetensors"),
        Command("evaluate", ("checkpoint=run", "output=scores", "predictions=true"), ("scores",)),
        Command("predict", ("checkpoint=run", f"input={scan}", "output=labeled.ply"), ("labeled.ply",)),
        Command("visualize", ("input=scenes/Area_2", "output=pictures"), ("pictures",)),
    ]


def kill(times: int, seed: int) -> Counter[str]:
    """Kill ``times`` runs; returns how many ended how: "<tool>: fine" or "<tool>: <what was wrong>"."""
    rng = np.random.default_rng(seed)
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary) / "home"
        home.mkdir()
        plan, duration, tools = [], {}, commands("")
        rounds = [(int(rng.integers(len(tools))), float(rng.random())) for _ in range(times)]
        killed = {which for which, _ in rounds}
        for number, command in enumerate(tools[: max(killed, default=-1) + 1]):
            if command.name == "predict":
                room = sorted(p.name for p in (home / "raw/Area_2").iterdir() if p.is_dir())[0]
                command = next(c for c in commands(room) if c.name == "predict")
            started = time.monotonic()
            if number in killed:  # it takes as long as one that starts anew
                _succeed(command, home)
            else:
                done = run_script(str(TOOLS / f"{command.name}.py"), *command.arguments, folder=home)
                assert done.returncode == 0, done.stderr
            plan.append(command)
            duration[command.name] = time.monotonic() - started
        for which, share in rounds:
            command = plan[which]
            moment = share * duration[command.name]
            found = _round(command, moment, home, Path(temporary) / "away")
            tally[f"{command.name}: {found}"] += 1
            if found != "fine":
                print(f"FAULT {command.name} killed after {moment:.2f} s: {found}")
    return tally


def _succeed(command: Command, folder: Path, more: Sequence[str] = ()) -> str:
    process = command.start(folder, more)
    text, _ = process.communicate(timeout=600)
    if process.returncode:
        raise RuntimeError(f"{command.name} ended with {process.returncode}: {text[-1500:]}")
    return text


def _round(command: Command, moment: float, home: Path, away: Path) -> str:
    """One kill and what came of it: "fine", or what was wrong."""
    shutil.rmtree(away, ignore_errors=True)
    shutil.copytree(home, away)
    for name in command.outputs:
        path = away / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    process = command.start(away)
    time.sleep(moment)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(0.3)  # workers of their own groups end with their parent
    if broken := _broken(away, command.outputs):
        return f"half-written {broken}"
    begun = command.begun and (away / command.begun).exists()
    try:
        _succeed(command, away, command.again if begun else ())
    except RuntimeError as error:
        return f"the second run failed: {error}"
    left = [p for p in away.rglob(".*") if LEFT.match(p.name)]
    if left:
        return f"left behind: {left[0].relative_to(away)}"
    return _differ(command, home, away)


def _broken(folder: Path, names: Sequence[str]) -> str:
    """The first file under its own name that cannot be read."""
    for path in sorted(p for name in names for p in [folder / name, *(folder / name).rglob("*")] if p.is_file()):
        check = CHECKS.get(path.suffix)
        if check is None or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        try:
            check(path)
        except Exception as error:
            return f"{path.relative_to(folder)} ({type(error).__name__}: {error})"
    return ""


def _differ(command: Command, home: Path, away: Path) -> str:
    """Where the second attempt came to something else than a run that was never killed."""
    for name in command.outputs:
        for path in sorted(p for p in [home / name, *(home / name).rglob("*")] if p.is_file()):
            twin = away / path.relative_to(home)
            if not twin.is_file():
                return f"{path.relative_to(home)} is missing"
            if path.name in ("metrics.json", "train.log", "config.yaml", "prepare_report.json", "resume.safetensors"):
                continue  # these hold times, or what was there already
            if path.suffix == ".safetensors":
                same = _weights(path) == _weights(twin)
            else:
                same = path.read_bytes() == twin.read_bytes()
            if not same:
                return f"{path.relative_to(home)} differs"
    return "fine"


def _weights(path: Path) -> bytes:
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


def _lines(path: Path) -> None:
    *whole, _ = path.read_text().split("\n")
    for line in whole:  # the last may be cut off: it is dropped when the run goes on
        json.loads(line)


def _html(path: Path) -> None:
    assert path.read_text().rstrip().endswith("</html>")


def _points(path: Path) -> None:
    from tests.oracles.point_files import ply

    assert len(ply(path)["x"])


def _tensors(path: Path) -> None:
    from safetensors.torch import load_file

    assert load_file(path)


def _arrays(path: Path) -> None:
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name] is not None for name in archive.files)


CHECKS: dict[str, Callable[[Path], object]] = {
    ".npy": lambda path: np.load(path, allow_pickle=False), ".npz": _arrays, ".safetensors": _tensors,
    ".json": lambda path: json.loads(path.read_text()), ".jsonl": _lines, ".html": _html, ".ply": _points,
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Run with name=value arguments; returns the number of rounds that went wrong."""
    given = dict(argument.split("=", 1) for argument in arguments)
    tally = kill(int(given.get("times", 20)), int(given.get("seed", 0)))
    for key, number in sorted(tally.items()):
        print(f"{number:5}  {key}")
    return sum(number for key, number in tally.items() if not key.endswith(": fine"))


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
