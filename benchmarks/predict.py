"""Time Predictor.predict on whole scenes, in points a second; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness.networks import VOXEL_NETWORKS
from benchmarks.harness.options import Shared, at_least_one, choose
from benchmarks.harness.scenes import FEATURES, synthetic_scene
from benchmarks.harness.table import short
from benchmarks.harness.timing import Task, interleaved
from pcseg.classes import S3DIS
from pcseg.command_line import option, run
from pcseg.engine.memory import keep_freed_memory
from pcseg.engine.predict import Predictor
from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.ops import quantize, voxelize
from pcseg.scenes.scene import Scene, read_scene


@dataclass
class Options(Shared):
    """Time Predictor.predict on whole scenes and print a Markdown table.

    python -m benchmarks.predict checkpoint=outputs/demo scene=data/simulated/Area_5/office_1 votes=[1,4]

    The clock starts at arrays of points and stops at arrays of labels: tiles, voxels, network and votes are included,
    files are not. Scenes and votes take turns; times are medians.
    """

    voxels: list[int] = option(
        "sizes of synthetic rooms, in voxels of 2 cm; [] for none", factory=lambda: [100_000, 1_000_000]
    )
    scene: str | None = option("folder of a prepared scene to label too", None)
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


def main(options: Options) -> None:
    check(options)
    device = options.begin()
    if options.keep_memory:
        keep_freed_memory()
    predictor = make_predictor(options, device)
    scenes = [synthetic_scene(voxels) for voxels in options.voxels]
    if options.scene is not None:
        model, columns = predictor.model, voxel_inputs(predictor).features.columns
        scenes.append(read_scene(Path(options.scene), model.classes, with_labels=False, columns=columns))
    rows = measure(predictor, scenes, options.votes, options.repeats)
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


def check(options: Options) -> None:
    """Raise InputError for the first invalid value."""
    for name, values in (("voxels", options.voxels), ("votes", options.votes), ("repeats", [options.repeats])):
        at_least_one(name, values)
    if not options.votes or (not options.voxels and options.scene is None):
        raise InputError("voxels=[] or votes=[]: nothing to measure; give numbers, or scene=<folder>")
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


def measure(predictor: Predictor, scenes: list[Scene], votes: list[int], repeats: int) -> list[Row]:
    """Return a row for each scene and number of votes, which take turns."""
    cases = {f"{scene.name} {n}": (scene, n) for scene in scenes for n in votes}
    tasks = {}
    for name, (scene, n) in cases.items():
        columns = {column: scene.attributes[column] for column in scene.columns}
        predict = partial(replace(predictor, votes=n).predict, columns=columns, name=scene.name)
        tasks[name] = Task(partial(predict, scene.coord, scene.color, scene.normal), tuple)
    size = voxel_inputs(predictor).voxel_size
    rows = []
    for (scene, n), seconds in zip(cases.values(), interleaved(tasks, repeats, 0).values(), strict=True):
        grid = quantize(torch.from_numpy(np.array(scene.coord)), size)
        voxels = len(voxelize(torch.nn.functional.pad(grid, (1, 0))).rows)
        rows.append(Row(scene.name, len(scene), voxels, n, 1e3 * seconds, len(scene) / seconds))
    return rows


if __name__ == "__main__":
    run(main, Options)
