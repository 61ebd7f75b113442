"""Time Predictor.predict on whole scenes, in points a second; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness.networks import VOXEL_NETWORKS
from benchmarks.harness.options import Shared, at_least_one, choose
from benchmarks.harness.parts import Parts
from benchmarks.harness.scenes import FEATURES, synthetic_scene
from benchmarks.harness.table import markdown, short
from benchmarks.harness.timing import Task, interleaved
from pcseg.classes import S3DIS
from pcseg.command_line import option, run
from pcseg.engine.memory import keep_freed_memory
from pcseg.engine.predict import Predictor
from pcseg.errors import InputError
from pcseg.formats import WRITERS, Cloud, read_cloud, write_labeled
from pcseg.model.checkpoint import load_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.ops import voxelize
from pcseg.scenes.places import usable
from pcseg.scenes.scene import Scene, read_scene
from pcseg.spool import spooled


@dataclass
class Options(Shared):
    """Time Predictor.predict on whole scenes and print a Markdown table.

    python -m benchmarks.predict checkpoint=outputs/demo scene=data/simulated/Area_5/office_1 votes=[1,4]

    The clock starts at arrays of points and stops at arrays of labels: tiles, voxels, network and votes are included,
    files are not. Scenes and votes take turns; times are medians. A second table gives the processor time and the peak
    memory of each part in one more run; of a point file (file=), reading and writing, too.
    """

    voxels: list[int] = option(
        "sizes of synthetic rooms, in voxels of 2 cm; [] for none", factory=lambda: [100_000, 1_000_000]
    )
    scene: str | None = option("folder of a prepared scene to label too", None)
    file: str | None = option("point file to label too", None)
    checkpoint: str | None = option("checkpoint or run folder; null: `network` with random weights", None)
    network: str = option("one of pcseg.networks that takes voxels, where no checkpoint is given", "minkunet_small")
    voxel_size: float = option("voxels of `network`, in meters", 0.05)
    votes: list[int] = option("numbers of views to average", factory=lambda: [1])
    max_voxels: int = option("largest tile, in voxels", 300_000)
    repeats: int = option("samples of each", 5)
    keep_memory: bool = option("keep freed CPU memory, as tools/train.py does", False)


@dataclass(frozen=True)
class Row:
    """A row of the table: ``ms`` for all ``points`` of a scene, which lie in ``voxels`` voxels of the network."""

    scene: str
    points: int
    voxels: int
    votes: int
    ms: float
    points_per_second: float
    parts: dict[str, dict[str, float | None]]
    """Processor time ``cpu_s`` and ``peak_mb`` of each part in one run."""


@dataclass(frozen=True)
class Work:
    """A scan to label; that of ``file`` was read and is written again, which ``read`` and Parts count."""

    name: str
    cloud: Cloud
    file: Path | None = None
    read: Parts = field(default_factory=Parts)


def main(options: Options) -> None:
    check(options)
    device = options.begin()
    if options.keep_memory:
        keep_freed_memory()
    predictor = make_predictor(options, device)
    works = [of_scene(synthetic_scene(voxels)) for voxels in options.voxels]
    if options.scene is not None:
        model, columns = predictor.model, voxel_inputs(predictor).features.columns
        works.append(of_scene(read_scene(Path(options.scene), model.classes, with_labels=False, columns=columns)))
    with tempfile.TemporaryDirectory() as folder:
        if options.file is not None:
            works.append(of_file(Path(options.file), Path(folder)))
        rows = measure(predictor, works, options.votes, options.repeats, Path(folder))
    names = ("scene", "points:", "voxels:", "votes:", "ms:", "million points/s:")
    cells = [
        [
            row.scene,
            f"{row.points:,}",
            f"{row.voxels:,}",
            str(row.votes),
            short(row.ms),
            short(row.points_per_second / 1e6),
        ]
        for row in rows
    ]
    options.finish(device, f".\n{predictor.model}", names, rows, cells)
    print(f"\n{parts_table(rows)}")


def check(options: Options) -> None:
    """Raise InputError for the first invalid value."""
    for name, values in (("voxels", options.voxels), ("votes", options.votes), ("repeats", [options.repeats])):
        at_least_one(name, values)
    if not options.votes or not (options.voxels or options.scene or options.file):
        raise InputError("voxels=[] or votes=[]: nothing to measure; give numbers, scene=<folder> or file=<scan>")
    choose("network", [options.network], VOXEL_NETWORKS)


def make_predictor(options: Options, device: str) -> Predictor:
    """Return a predictor of the checkpoint, or of a network with random weights."""
    if options.checkpoint is not None:
        model = load_model(options.checkpoint)
    else:
        inputs = VoxelInputs(options.voxel_size, FEATURES)
        spec = NetworkSpec(options.network, {"in_channels": inputs.width, "n_classes": len(S3DIS)})
        model = Model(Networks.build(spec), S3DIS, inputs)
    return Predictor(model, torch.device(device), max_voxels=options.max_voxels)


def voxel_inputs(predictor: Predictor) -> VoxelInputs:
    """Return voxel size and features of the network."""
    inputs = predictor.model.inputs
    assert isinstance(inputs, VoxelInputs)  # Predictor refuses any other
    return inputs


def of_scene(scene: Scene) -> Work:
    """Return a prepared scene as work."""
    columns = {column: scene.attributes[column] for column in scene.columns}
    return Work(scene.name, Cloud(scene.coord, scene.color, scene.normal, columns))


def of_file(path: Path, folder: Path) -> Work:
    """Return a point file as work, read as tools/predict.py does; large arrays are files of ``folder``."""
    parts = Parts()
    with parts.timed("read"):
        cloud = read_cloud(path, (), spooled(folder))
    return Work(path.name, cloud, path, parts)


def measure(predictor: Predictor, works: list[Work], votes: list[int], repeats: int, folder: Path) -> list[Row]:
    """Return a row for each scan and number of votes, which take turns."""
    cases = {f"{work.name} {n}": (work, n) for work in works for n in votes}
    tasks = {}
    for name, (work, n) in cases.items():
        cloud = work.cloud
        predict = partial(replace(predictor, votes=n).predict, columns=cloud.fields, name=work.name)
        tasks[name] = Task(partial(predict, cloud.coord, cloud.color, cloud.normal), tuple)
    size = voxel_inputs(predictor).voxel_size
    rows = []
    for (name, (work, n)), seconds in zip(cases.items(), interleaved(tasks, repeats, 0).values(), strict=True):
        parts = Parts()
        parts.seconds, parts.peak_mb = dict(work.read.seconds), dict(work.read.peak_mb)
        labels, confidence = parts.predict(predictor, tasks[name].run)
        if work.file is not None:
            target = folder / f"labeled{work.file.suffix if work.file.suffix.lower() in WRITERS else '.ply'}"
            with parts.timed("write"):
                codes = predictor.model.classes.to_codes(labels)
                write_labeled(work.file, target, work.cloud, codes, confidence)
        cells = np.floor(np.asarray(work.cloud.coord, dtype=np.float64)[usable(work.cloud.coord)] / size)
        grid = torch.from_numpy((cells - cells.min(axis=0)).astype(np.int32))
        voxels = len(voxelize(torch.nn.functional.pad(grid, (1, 0))).rows)
        count, each = len(work.cloud), parts.figures()
        rows.append(Row(work.name, count, voxels, n, 1e3 * seconds, count / seconds, each))
    return rows


def parts_table(rows: list[Row]) -> str:
    """Return a Markdown table of the parts of each row."""
    names = ("scene", "votes:", "part", "processor s / million points:", "share, %:", "peak MB:")
    lines = []
    for row in rows:
        total = sum(each["cpu_s"] or 0.0 for each in row.parts.values()) or 1.0
        for part, each in row.parts.items():
            used = each["cpu_s"] or 0.0
            numbers = [short(1e6 * used / row.points), f"{100 * used / total:.1f}", short(each["peak_mb"])]
            lines.append([row.scene, str(row.votes), part, *numbers])
    return markdown(names, lines)


if __name__ == "__main__":
    run(main, Options)
