"""Measure what a step of each method costs in steps of supervised training, by whole runs of tools/train.py."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from benchmarks.harness.table import short
from pcseg.command_line import option, run
from pcseg.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
BASE = "supervised"


@dataclass
class Options:
    """Print a Markdown table of the processor time of a step of methods, alone and in steps of supervised training.

    python -m benchmarks.cost experiment=camvid labels=eighth_scenes 'methods=[cps,unimatch]'

    Each method is trained for two numbers of steps, in turns with the others; the difference of the processor times of
    the two runs, with all their processes, is that of the steps between: loading, forward, backward and optimizer, at
    a progress from 0 to 1. Costs belong into `cost` of configs/method.
    """

    experiment: str = option("as of tools/train.py", "simulated")
    labels: str = option("as of tools/train.py", "1pct")
    methods: list[str] = option("files of configs/method, without .yaml", factory=lambda: ["label_efficient"])
    settings: list[str] = option("further settings of tools/train.py", factory=list)
    short: int = option("steps of the shorter run", 4)
    long: int = option("steps of the longer run", 20)
    repeats: int = option("times that each method is measured; the mean counts", 2)


def measure(options: Options) -> dict[str, float]:
    """Return seconds of processor time a step of each method, supervised training first; NaN for one that fails."""
    if not 0 < options.short < options.long or options.repeats < 1:
        raise InputError(
            f"short={options.short}, long={options.long}, repeats={options.repeats}: give 1 or more, short below long"
        )
    names = [BASE, *(name for name in options.methods if name != BASE)]
    total = dict.fromkeys(names, 0.0)
    turns = [(name, steps) for _ in range(options.repeats) for name in names for steps in (options.short, options.long)]
    for name, steps in tqdm(turns, unit="run", leave=False):
        if math.isnan(total[name]):
            continue
        try:
            used = processor_time(options, name, steps)
        except InputError as error:
            if name == BASE:
                raise
            tqdm.write(f"left out: {error}", file=sys.stderr)  # so that one method does not cost the others
            used = math.nan
        total[name] += used if steps == options.long else -used
    return {name: used / options.repeats / (options.long - options.short) for name, used in total.items()}


def processor_time(options: Options, method: str, steps: int) -> float:
    """Return the seconds of processor time of a run and of the processes that it starts."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "tools/train.py", f"experiment={options.experiment}", f"labels={options.labels}",
            f"method={method}", f"steps={steps}", f"output={folder}/run", "tensorboard=false", *options.settings,
        ]  # fmt: skip
        before = os.times()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        after = os.times()
    if done.returncode:
        raise InputError(f"method={method}: {done.stderr.strip().splitlines()[-1]}")
    return after.children_user + after.children_system - before.children_user - before.children_system


def main(options: Options) -> None:
    """Measure and print."""
    found = measure(options)
    print("| method | processor time a step, s | in supervised steps |\n|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {short(seconds)} | {short(seconds / found[BASE])} |")


if __name__ == "__main__":
    run(main, Options)
