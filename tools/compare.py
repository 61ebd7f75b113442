"""Train rows of choices over several label draws and tabulate mean and spread; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tqdm import tqdm

from _hydra import compose
from _schema import GROUPS, Train, recipe, run_name
from pcseg.budgets.tags import Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.command_line import check_output, option, run
from pcseg.device import cores
from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json, write_json
from pcseg.model.trained_on import training_splits
from pcseg.option_values import show
from pcseg.same_settings import check_same
from pcseg.scenes.listing import list_scenes

TRAIN = Path(__file__).with_name("train.py")

LONG = 120
"""Longest name of the folder of a row."""


@dataclass
class Options:
    """Train each row of choices with each seed (of the label draw, the weights and the batches) and print one table.

    python tools/compare.py settings=experiment=simulated,steps=500 \\
        'rows=[labels=1pct method=supervised match=dense_propagation,labels=1pct method=dense_propagation]'

    A row may go on from the run of another table with the same seed, 'weights=outputs/first/cps/seed${seed}', and leave
    a setting out, ~stages.main. All rows are checked before the first run. Finished runs are kept and interrupted ones
    resumed, so that the same command goes on after a stop. The table is also written to <output>/table.md, each run's
    figures to <output>/table.json. The spread is the sample standard deviation. Compute is the sum over stages of steps
    times `cost` of a step: steps of supervised training that take as long. With compute=300 each row gets the `steps`
    that make it so. Labels and minutes are means.
    """

    rows: list[str] = option("settings of tools/train.py that make a row, with blanks between them")
    output: str = option("folder: a run is <output>/<row>/seed<n>", "outputs/compare")
    seeds: list[int] = option("seeds", factory=lambda: [0, 1, 2])
    settings: list[str] = option("settings of tools/train.py for all rows", factory=list)
    compute: int | None = option("compute of each run, in steps of supervised training; null: as `steps` says", None)
    jobs: int = option("runs at a time; the CPU's cores are shared out among them", 1)


@dataclass(frozen=True)
class Row:
    """A row of the table: its settings as typed and one by one, the folder of its runs, and their steps if set."""

    text: str
    settings: tuple[str, ...]
    folder: Path
    steps: int | None = None

    def run(self, seed: int) -> Path:
        """Return the folder of the run with ``seed``."""
        return self.folder / f"seed{seed}"

    def note(self, seed: int) -> Path:
        """Return the file that keeps the settings of the run with ``seed``."""
        return self.run(seed) / "settings.json"

    def settings_of(self, options: Options) -> dict[str, Any]:
        """Return the settings of each run of the row, for JSON."""
        steps = {} if self.steps is None else {"steps": self.steps}
        return {"row": sorted(self.settings), "settings": options.settings, **steps}

    def arguments(self, options: Options, seed: int) -> list[str]:
        """Return the arguments of tools/train.py for the run with ``seed``."""
        own = [f"seed={seed}", f"labels.seed={seed}", f"output={self.run(seed)}"]
        steps = [] if self.steps is None else [f"steps={self.steps}"]
        return [*own, f"threads={max(1, cores() // options.jobs)}", *options.settings, *self.settings, *steps]

    def is_finished(self, seed: int) -> bool:
        """Has the run with ``seed`` left its metrics?"""
        return (self.run(seed) / "metrics.json").is_file()

    def figures(self, seed: int) -> dict[str, Any]:
        """Return what is said of a finished run."""
        found: dict[str, Any] = read_json(self.run(seed) / "metrics.json")
        named = {key: found[key] for key in ("miou", "accuracy", "seconds", "steps")}
        return {"seed": seed, **named, "labels": found["labels"]["count"], "labels_sha256": found["labels"]["sha256"]}


@dataclass(frozen=True)
class Result:
    """A row, the folder of its runs, the compute of each (in steps of supervised training), their figures by seed."""

    choices: str
    folder: str
    compute: float
    runs: list[dict[str, Any]]


def main(options: Options) -> None:
    """Train what is not trained yet, then print and write the table."""
    if options.jobs < 1:
        raise InputError(f"jobs={options.jobs}: must be 1 or more")
    rows = [with_steps(read_row(text, options), options) for text in options.rows]
    for name, values, keys in (
        ("rows", options.rows, [row.folder for row in rows]),
        ("seeds", options.seeds, options.seeds),
    ):
        if not keys or len(set(keys)) < len(keys):
            raise InputError(f"{name}={show(values)}: give one or more, each once")
    check_output(options.output, folder=True)
    runs = [(row, seed) for seed in options.seeds for row in rows]
    compute = {row: check(options, row, seed) for row, seed in runs}
    with (
        ThreadPoolExecutor(options.jobs) as pool,
        tqdm(total=len(runs), desc="compare", unit="run") as bar,
    ):
        futures = [pool.submit(train, options, row, seed) for row, seed in runs]
        try:
            for future in as_completed(futures):
                bar.write(future.result())
                bar.update()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    figures = {row: [row.figures(seed) for seed in options.seeds] for row in rows}
    results = [Result(row.text, str(row.folder), compute[row], figures[row]) for row in rows]
    write_json(Path(options.output) / "table.json", [asdict(result) for result in results])
    text = table(results)
    with atomic_path(Path(options.output) / "table.md") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    print(text)


def read_row(text: str, options: Options) -> Row:
    """Return the row of settings typed as ``text``; its folder is named from its choices and further settings."""
    try:
        settings = shlex.split(text)
    except ValueError as error:
        raise InputError(f"rows={text}: {error}; write name=value name=value, blanks in quotes") from error
    wrong = next((setting for setting in settings if "=" not in setting and not setting.startswith("~")), "")
    if wrong or not settings:
        raise InputError(f"rows={text}: '{wrong}' is not understood; write name=value name=value")
    pairs = [setting.partition("=")[::2] for setting in settings]
    choices = {name: value for name, value in pairs if name in GROUPS}
    parts = [f"{name}-{value}" for name, value in pairs if name not in GROUPS]
    name = "_".join([run_name(choices).removeprefix("own_")] * bool(choices) + parts)
    name = re.sub(r"[^\w.+-]+", "-", name)
    if len(name) > LONG:  # file systems take no more than 255 bytes
        name = f"{name[: LONG - 13]}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return Row(text, tuple(settings), Path(options.output) / name)


def with_steps(row: Row, options: Options) -> Row:
    """Return the row with the steps that give it the ``compute`` that is asked for."""
    if options.compute is None:
        return row
    if own := [setting for setting in (*options.settings, *row.settings) if setting.startswith("steps=")]:
        raise InputError(f"compute={options.compute}: decides about steps; leave out {own[0]}")
    try:
        parts = recipe(compose(row.arguments(options, 0), Train, "train")).values()
    except InputError as error:
        raise InputError(f"{row.text}: {error}") from error
    steps = round(options.compute / sum(part.steps * part.cost for part in parts))
    if steps < 1:
        raise InputError(f"compute={options.compute}: is less than a step of {row.text}")
    return replace(row, steps=steps)


def check(options: Options, row: Row, seed: int) -> float:
    """Return the compute of a run, in steps of supervised training.

    Raises InputError for settings that tools/train.py would refuse, for a run begun with others, and where the scenes
    or labels of a run that is not finished are not there.
    """
    if row.note(seed).is_file():
        check_same(row.run(seed), read_json(row.note(seed)), row.settings_of(options), "give another output")
    try:
        config = compose(row.arguments(options, seed), Train, "train")
        stages, data, labels = recipe(config), config.data, config.labels
        if not data.test:
            raise InputError("data.test=[]: nothing would be scored; name splits that have labels")
        if not row.is_finished(seed):
            splits = [*training_splits(data.train, data.test), *data.test]
            list_scenes(data.root, splits, "'data.train=[...]' and 'data.test=[...]'")
            if labels.file:
                WeakLabels.load(labels.file)
            if labels.tags not in (None, "labels"):
                Tags.load(labels.tags)
    except InputError as error:
        raise InputError(f"{row.text}, seed {seed}: {error}") from error
    return sum(round(part.steps * config.steps) * part.cost for part in stages.values())


def train(options: Options, row: Row, seed: int) -> str:
    """Do one run, or what is left of it, and return a line on its outcome."""
    where = row.run(seed)
    write_json(row.note(seed), row.settings_of(options))
    if not row.is_finished(seed):
        arguments = row.arguments(options, seed)
        arguments += ["resume=true"] if (where / "resume.safetensors").is_file() else []
        done = subprocess.run([sys.executable, str(TRAIN), *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"{row.text}, seed {seed}: {last.removeprefix('error: ')}")
    figures = row.figures(seed)
    if figures["miou"] is None:
        raise InputError(f"{where}: nothing was scored, data.test has no labels; choose splits that have")
    return f"{row.text}, seed {seed}: mIoU {100 * figures['miou']:.1f} in {figures['seconds']:.0f} s"


def table(results: list[Result]) -> str:
    """Return a Markdown table with a line for each row of choices."""
    lines = ["| choices | labels | mIoU % | accuracy % | compute | minutes |", "|---|---:|---:|---:|---:|---:|"]
    for result in results:
        labels, seconds = (mean(run[key] for run in result.runs) for key in ("labels", "seconds"))
        miou, accuracy = (spread([100 * run[key] for run in result.runs]) for key in ("miou", "accuracy"))
        figures = [f"{labels:,.0f}", miou, accuracy, f"{result.compute:,.0f}", f"{seconds / 60:.1f}"]
        lines.append(f"| {result.choices} | {' | '.join(figures)} |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Return mean and sample standard deviation."""
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


if __name__ == "__main__":
    run(main, Options)
