"""Train rows of choices over several label draws and tabulate mean and spread; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tqdm import tqdm

from _schema import GROUPS, run_name
from pcseg.command_line import check_output, option, run
from pcseg.device import cores
from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json, write_json
from pcseg.option_values import show
from pcseg.same_settings import check_same

TRAIN = Path(__file__).with_name("train.py")


@dataclass
class Options:
    """Train each row of choices with each seed (of the label draw, the weights and the batches) and print one table.

    python tools/compare.py settings=experiment=simulated,steps=500 \\
        'rows=[labels=1pct method=supervised match=dense_propagation,labels=1pct method=dense_propagation]'

    Finished runs are kept and interrupted ones resumed, so that the same command goes on after a stop. The table is
    also written to <output>/table.md. The spread is the sample standard deviation.
    """

    rows: list[str] = option("settings of tools/train.py that make a row, with blanks between them")
    output: str = option("folder: a run is <output>/<row>/seed<n>", "outputs/compare")
    seeds: list[int] = option("seeds", factory=lambda: [0, 1, 2])
    settings: list[str] = option("settings of tools/train.py for all rows", factory=list)
    jobs: int = option("runs at a time; the CPU's cores are shared out among them", 1)


@dataclass(frozen=True)
class Row:
    """A row of the table: its settings as typed and one by one, and the folder of its runs."""

    text: str
    settings: tuple[str, ...]
    folder: Path

    def run(self, seed: int) -> Path:
        """Return the folder of the run with ``seed``."""
        return self.folder / f"seed{seed}"

    def figures(self, seed: int) -> dict[str, Any]:
        """Return the metrics of a finished run."""
        figures: dict[str, Any] = read_json(self.run(seed) / "metrics.json")
        return figures


def main(options: Options) -> None:
    """Train what is not trained yet, then print and write the table."""
    if options.jobs < 1:
        raise InputError(f"jobs={options.jobs}: must be 1 or more")
    rows = [read_row(text, options) for text in options.rows]
    for name, values, keys in (
        ("rows", options.rows, [row.folder for row in rows]),
        ("seeds", options.seeds, options.seeds),
    ):
        if not keys or len(set(keys)) < len(keys):
            raise InputError(f"{name}={show(values)}: give one or more, each once")
    check_output(options.output, folder=True)
    runs = [(row, seed) for seed in options.seeds for row in rows]
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
    text = table({row.text: [row.figures(seed) for seed in options.seeds] for row in rows})
    with atomic_path(Path(options.output) / "table.md") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    print(text)


def read_row(text: str, options: Options) -> Row:
    """Return the row of settings typed as ``text``; its folder is named from its choices and further settings."""
    try:
        settings = shlex.split(text)
    except ValueError as error:
        raise InputError(f"rows={text}: {error}; write name=value name=value, blanks in quotes") from error
    wrong = next((setting for setting in settings if "=" not in setting), "" if settings else text)
    if wrong or not settings:
        raise InputError(f"rows={text}: '{wrong}' is not understood; write name=value name=value")
    pairs = [setting.partition("=")[::2] for setting in settings]
    choices = {name: value for name, value in pairs if name in GROUPS}
    parts = [f"{name}-{value}" for name, value in pairs if name not in GROUPS]
    name = "_".join([run_name(choices).removeprefix("own_")] * bool(choices) + parts)
    return Row(text, tuple(settings), Path(options.output) / re.sub(r"[^\w.+-]+", "-", name))


def train(options: Options, row: Row, seed: int) -> str:
    """Do one run, or what is left of it, and return a line on its outcome."""
    where = row.run(seed)
    note, settings = where / "settings.json", {"row": sorted(row.settings), "settings": options.settings}
    if note.is_file():
        check_same(where, read_json(note), settings, "give another output")
    write_json(note, settings)
    if not (where / "metrics.json").is_file():
        threads = max(1, cores() // options.jobs)
        arguments = [f"seed={seed}", f"labels.seed={seed}", f"output={where}", f"threads={threads}"]
        arguments += [*options.settings, *row.settings]
        arguments += ["resume=true"] if (where / "resume.safetensors").is_file() else []
        done = subprocess.run([sys.executable, str(TRAIN), *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"{row.text}, seed {seed}: {last.removeprefix('error: ')}")
    figures = row.figures(seed)
    if figures["miou"] is None:
        raise InputError(f"{where}: nothing was scored, data.test has no labels; choose splits that have")
    return f"{row.text}, seed {seed}: mIoU {100 * figures['miou']:.1f} in {figures['seconds']:.0f} s"


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return a Markdown table with a line for each row of choices."""
    lines = ["| choices | labels | mIoU % | accuracy % | minutes |", "|---|---|---|---|---|"]
    for name, figures in results.items():
        labels = f"{mean(f['labels']['count'] for f in figures):,.0f}"
        miou, accuracy = (spread([100 * f[key] for f in figures]) for key in ("miou", "accuracy"))
        minutes = mean(f["seconds"] for f in figures) / 60
        lines.append(f"| {name} | {labels} | {miou} | {accuracy} | {minutes:.1f} |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Return mean and sample standard deviation."""
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


if __name__ == "__main__":
    run(main, Options)
