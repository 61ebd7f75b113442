"""Train experiments over several label draws and tabulate mean and spread; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tqdm import tqdm

from pcseg.command_line import check_output, option, run
from pcseg.device import cores
from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json, write_json
from pcseg.option_values import show

TRAIN = Path(__file__).with_name("train.py")


@dataclass
class Options:
    """Train each experiment with each seed (of the label draw, the weights and the batches) and print one table.

    python tools/compare.py 'experiments=[simulated_1pct_supervised,simulated_1pct_dense_propagation]'

    Finished runs are kept and interrupted ones resumed, so that the same command goes on after a stop. The table is
    also written to <output>/table.md. The spread is the sample standard deviation.
    """

    experiments: list[str] = option("names in configs/experiment")
    output: str = option("folder: a run is <output>/<experiment>/seed<n>", "outputs/compare")
    seeds: list[int] = option("seeds", factory=lambda: [0, 1, 2])
    settings: list[str] = option("further settings of tools/train.py, e.g. ['steps=500']", factory=list)
    jobs: int = option("runs at a time; the CPU's cores are shared out among them", 1)


def main(options: Options) -> None:
    if options.jobs < 1:
        raise InputError(f"jobs={options.jobs}: must be 1 or more")
    for name, values in (("experiments", options.experiments), ("seeds", options.seeds)):
        if not values or len(set(values)) < len(values):
            raise InputError(f"{name}={show(values)}: give one or more, each once")
    check_output(options.output, folder=True)
    runs = [(name, seed) for seed in options.seeds for name in options.experiments]
    with (
        ThreadPoolExecutor(options.jobs) as pool,
        tqdm(total=len(runs), desc="compare", unit="run") as bar,
    ):
        futures = [pool.submit(train, options, name, seed) for name, seed in runs]
        try:
            for future in as_completed(futures):
                bar.write(future.result())
                bar.update()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    text = table({name: [read(options, name, seed) for seed in options.seeds] for name in options.experiments})
    with atomic_path(Path(options.output) / "table.md") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    print(text)


def folder(options: Options, name: str, seed: int) -> Path:
    return Path(options.output) / name / f"seed{seed}"


def read(options: Options, name: str, seed: int) -> dict[str, Any]:
    figures: dict[str, Any] = read_json(folder(options, name, seed) / "metrics.json")
    return figures


def train(options: Options, name: str, seed: int) -> str:
    """Do one run, or what is left of it, and say in a line how it came out."""
    where = folder(options, name, seed)
    note = where / "settings.json"
    if note.is_file() and read_json(note) != options.settings:
        raise InputError(f"{where}: was run with settings={read_json(note)}; give another output")
    write_json(note, options.settings)
    if not (where / "metrics.json").is_file():
        threads = max(1, cores() // options.jobs)
        arguments = [f"experiment={name}", f"seed={seed}", f"labels.seed={seed}", f"output={where}"]
        arguments += [f"threads={threads}", *options.settings]
        arguments += ["resume=true"] if (where / "resume.safetensors").is_file() else []
        done = subprocess.run([sys.executable, str(TRAIN), *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"{name}, seed {seed}: {last.removeprefix('error: ')}")
    figures = read(options, name, seed)
    if figures["miou"] is None:
        raise InputError(f"{where}: nothing was scored, data.test has no labels; choose splits that have")
    return f"{name}, seed {seed}: mIoU {100 * figures['miou']:.1f} in {figures['seconds']:.0f} s"


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """A Markdown table with a row for each experiment."""
    lines = ["| experiment | labels | mIoU % | accuracy % | minutes |", "|---|---|---|---|---|"]
    for name, figures in results.items():
        labels = f"{mean(f['labels']['count'] for f in figures):,.0f}"
        miou, accuracy = (spread([100 * f[key] for f in figures]) for key in ("miou", "accuracy"))
        minutes = mean(f["seconds"] for f in figures) / 60
        lines.append(f"| {name} | {labels} | {miou} | {accuracy} | {minutes:.1f} |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


if __name__ == "__main__":
    run(main, Options)
