"""Time whole training steps: data, forward, backward and optimizer, and the cost of a method's step; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning_fabric
from tqdm import tqdm

import pcseg.methods
from benchmarks.harness.networks import VOXEL_NETWORKS
from benchmarks.harness.options import Shared, at_least_one, choose
from benchmarks.harness.scenes import synthetic_scene
from benchmarks.harness.table import short
from benchmarks.harness.training import PARTS, Trainer, make_dataset, now
from pcseg.command_line import option, run
from pcseg.engine.memory import keep_freed_memory
from pcseg.errors import InputError
from pcseg.feeding.dataset import TrainDataset
from pcseg.feeding.loading import loader
from pcseg.feeding.samplers import PairSampler, Plan, RandomSampler, StepSampler, ViewSampler
from pcseg.methods import Method, Supervised
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import write_scene

METHODS = {
    name: kind
    for name, kind in vars(pcseg.methods).items()
    if isinstance(kind, type) and issubclass(kind, Method) and kind not in (Method, Supervised)
}
SAMPLERS: dict[str, tuple[type[StepSampler], str]] = {
    "pairs": (PairSampler, "pairs"),
    "matches": (ViewSampler, "views"),
}
"""The sampler that gives what a method needs, and what its batches are made of."""

WARMUP = 2
"""Steps before the clock starts."""


@dataclass
class Options(Shared):
    """Time whole training steps of methods beside supervised steps, and print a Markdown table.

    python -m benchmarks.step network=minkunet34c batch_size=8 device=cuda precision=bf16-mixed

    Each method takes turns with Supervised on the same batches. Times are means over all steps, whose progress runs
    from 0 to 1, so that the warm-up of a method counts as in training. cost: time of forward, backward and optimizer
    over that of Supervised on the same batches; it is `cost` of a method's stage in configs/method. Data is loaded in
    this process between steps; in tools/train.py workers load it during steps.
    """

    methods: list[str] = option(
        "methods of pcseg.methods, with their default arguments",
        factory=lambda: ["CrossSamplePropagation", "IntraSamplePropagation"],
    )

    voxels: list[int] = option(
        "sizes of synthetic rooms, in voxels of 2 cm", factory=lambda: [300_000, 350_000, 400_000, 450_000]
    )
    scenes: str | None = option("split of prepared scenes instead, such as data/simulated/Area_1", None)
    network: str = option("one of pcseg.networks that takes voxels", "minkunet_small")
    voxel_size: float = option("voxels of the network, in meters", 0.05)
    batch_size: int = option("samples of a batch; even, for pairs", 4)
    steps: int = option("steps of each method", 20)
    precision: str = option("32-true, bf16-mixed or 16-mixed", "32-true")


@dataclass(frozen=True)
class Row:
    """A row of the table: means over the steps; ``voxels`` of a batch, times in milliseconds."""

    method: str
    batches: str
    voxels: float
    data_ms: float
    forward_ms: float
    backward_ms: float
    optimizer_ms: float
    step_ms: float
    voxels_per_second: float
    cost: float


def main(options: Options) -> None:
    check(options)
    device = options.begin()
    if device == "cpu":
        keep_freed_memory()  # as tools/train.py does
    precision: Any = options.precision
    fabric = lightning_fabric.Fabric(accelerator=device, devices=1, precision=precision)
    with tempfile.TemporaryDirectory() as folder:
        if options.scenes is None:
            folders = [write_scene(folder, synthetic_scene(voxels)) for voxels in options.voxels]
        else:
            folders = list_scenes(Path(options.scenes).parent, [Path(options.scenes).name], "scenes=...")
        dataset = make_dataset(folders, options.voxel_size)
        rows: list[Row] = []
        for name in options.methods:
            rows += measure(fabric, dataset, METHODS[name], options)
    names = (
        "method", "batches of", "voxels:", "data, ms:", "forward, ms:", "backward, ms:", "optimizer, ms:", "step, ms:",
        "voxels/s:", "cost:",
    )  # fmt: skip
    options.finish(device, f", {options.precision}.", names, rows, [cells(row) for row in rows])


def check(options: Options) -> None:
    """Raise InputError for the first invalid value."""
    for name, values in (("voxels", options.voxels), ("steps", [options.steps]), ("batch_size", [options.batch_size])):
        at_least_one(name, values)
    if not options.methods or (not options.voxels and options.scenes is None):
        raise InputError("methods=[] or voxels=[]: nothing to measure; give names and numbers, or scenes=<folder>")
    for name in options.methods:
        choose("methods", [name], METHODS)
        if METHODS[name].needs - SAMPLERS.keys() - {"voxels"}:
            raise InputError(
                f"methods={name}: needs {', '.join(sorted(METHODS[name].needs))}, not in these batches; leave it out"
            )
    choose("network", [options.network], VOXEL_NETWORKS)
    choose("precision", [options.precision], ("32-true", "bf16-mixed", "16-mixed"))


def measure(
    fabric: lightning_fabric.Fabric, dataset: TrainDataset, method: type[Method], options: Options
) -> tuple[Row, Row]:
    """Return the rows of Supervised and of ``method``, which take turns on the same batches."""
    trainers = [Trainer(fabric, kind, options.network, dataset) for kind in (Supervised, method)]
    sampler, batches = next((SAMPLERS[need] for need in SAMPLERS if need in method.needs), (RandomSampler, "scenes"))
    loaded = iter(loader(dataset, sampler(dataset, Plan(options.batch_size, WARMUP + options.steps))))
    sums, voxels = [dict.fromkeys(PARTS, 0.0) for _ in trainers], 0
    for step in tqdm(range(-WARMUP, options.steps), desc=method.__name__, unit="step"):
        start = now()
        batch = next(loaded)
        data = now() - start
        progress = (step + 0.5) / options.steps if step >= 0 else 1.0
        turns = [(i, trainers[i].step(batch, progress)) for i in ((1, 0) if step % 2 else (0, 1))]
        if step >= 0:
            voxels += len(batch.labels)
            for i, times in turns:
                for part, seconds in {"data": data, **times}.items():
                    sums[i][part] += seconds
    supervised, other = (
        _row(name, batches, voxels, times, sums[0], options.steps)
        for name, times in zip(("Supervised", method.__name__), sums, strict=True)
    )
    return supervised, other


def _row(
    method: str, batches: str, voxels: int, times: dict[str, float], supervised: dict[str, float], steps: int
) -> Row:
    """Return the row of a method from sums over ``steps`` steps."""
    total = sum(times.values())
    return Row(
        method,
        batches,
        voxels / steps,
        **{f"{part}_ms": 1e3 * seconds / steps for part, seconds in times.items()},
        step_ms=1e3 * total / steps,
        voxels_per_second=voxels / total,
        cost=(total - times["data"]) / (sum(supervised.values()) - supervised["data"]),
    )


def cells(row: Row) -> list[str]:
    """Return the cells of a row of the table."""
    parts = (row.data_ms, row.forward_ms, row.backward_ms, row.optimizer_ms, row.step_ms, row.voxels_per_second)
    return [row.method, row.batches, f"{row.voxels:,.0f}", *map(short, parts), f"{row.cost:.2f}"]


if __name__ == "__main__":
    run(main, Options)
