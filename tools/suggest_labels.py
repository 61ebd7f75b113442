"""Suggest which points to label next, and write a CSV file to fill in; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.command_line import check_output, option, run
from pcseg.datasets import choose_classes
from pcseg.device import choose_device, set_threads
from pcseg.errors import InputError
from pcseg.files import atomic_path
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import Scene, read_scene

if TYPE_CHECKING:
    from pcseg.pseudo import SurfaceGraph


@dataclass
class Options:
    """Suggest points to label, so that labels spread from them are as good as possible; write a CSV file to fill in.

    python tools/suggest_labels.py root=data/mine splits=[train] budget=200 output=clicks.csv picture=clicks
    python tools/draw_labels.py rule=csv source=clicks.csv root=data/mine splits=[train] output=data/labels/mine.npz

    Write a class into the last column of each row; remove the rows that you leave out. No class of a point is read
    here, except with labels=. From scans alone, the middles of the largest superpoints come first. With labels=, the
    points where the surface is far from them or near two classes; with checkpoint=, where the network is in doubt.

    Accuracy of labels once spread, from points chosen so and from as many random ones (python -m benchmarks.suggest):
    93.1 and 84.0 % from 20 in two rooms of S3DIS, 81.5 and 72.4 % from 50 on an airborne tile, 96.8 and 96.1 %, 88.0
    and 84.9 % from 200. If you can tell objects apart, one click on each object is a good use of few clicks
    (tools/draw_labels.py rule=clicks simulates that): small classes get labels too.
    """

    root: str = option("folder of scenes, written by tools/prepare.py")
    splits: list[str] = option("splits to suggest points for, e.g. [Area_1,Area_2]")
    budget: int = option("points to label in each scene")
    output: str = option("CSV file to write, e.g. clicks.csv")
    labels: str = option("label file (.npz) of the labels there are already", "")
    checkpoint: str = option("a .safetensors file or a run folder: label where this network is in doubt", "")
    picture: str = option("folder for a numbered PNG and an interactive HTML page of each scene", "")
    attributes: list[str] = option("further columns that tell surfaces apart, e.g. [intensity]", factory=list)
    voxel_size: float | None = option("merge points of voxels of this size in meters; null: no merging", None)
    device: str = option("of the checkpoint: auto, cpu or cuda", "auto")
    threads: int | None = option("CPU threads; null for all cores", None)
    overwrite: bool = option("replace the file that is at output", False)


Doubt = Callable[[Path], np.ndarray]
"""Function that takes a scene folder and returns the doubt (P,) of a network."""


def main(options: Options) -> None:
    if options.budget < 1:
        raise InputError(f"budget={options.budget}: give 1 or more points a scene")
    if options.voxel_size is not None and not 0 < options.voxel_size < np.inf:
        raise InputError(f"voxel_size={options.voxel_size}: give a size in meters above 0, or null")
    check_output(options.output, folder=False)
    if options.picture:
        check_output(options.picture, folder=True, name="picture")
    if Path(options.output).is_file() and not options.overwrite:
        raise InputError(f"output={options.output}: is there already; choose another name, or overwrite=true")
    if options.threads is not None:
        set_threads(options.threads)
    folders = list_scenes(options.root, options.splits)
    given = WeakLabels.load(options.labels) if options.labels else None
    classes = Classes(given.classes) if given else choose_classes("auto", folders[0])
    doubt = doubt_of(options)
    rows = [("number", "scene", "index", "x", "y", "z", "class")]
    for folder in tqdm(folders, desc="suggest", unit="scene"):
        scene = read_scene(folder, classes, with_labels=False, columns=options.attributes)
        try:
            points = chosen(options, scene, given, doubt(folder) if doubt else None)
        except InputError as error:
            raise InputError(f"{folder}: {error}") from error
        rows += [row(scene, number, int(point)) for number, point in enumerate(points, 1)]
        if options.picture:
            draw(Path(options.picture) / scene.name, scene, points)
    write(options.output, rows)
    print(f"{len(rows) - 1:,} points to label in {len(folders):,} scenes, written to {options.output}")
    if options.picture:
        print(f"numbered pictures in {options.picture}")


def doubt_of(options: Options) -> Doubt | None:
    """Return the function that reads a scene and gives the doubt of the network of ``checkpoint=``, None without."""
    if not options.checkpoint:
        return None
    from pcseg.engine.predict import Predictor  # late: PyTorch takes seconds to load
    from pcseg.model.checkpoint import load_labeler
    from pcseg.pseudo.suggest import network_doubt

    predictor = Predictor(load_labeler(options.checkpoint), choose_device(options.device))

    def doubt(folder: Path) -> np.ndarray:
        return network_doubt(predictor.probabilities(predictor.read(folder, with_labels=False)))

    return doubt


def chosen(options: Options, scene: Scene, given: WeakLabels | None, doubt: np.ndarray | None) -> np.ndarray:
    """Return the numbers (n,) of the points of ``scene`` to label, the most useful first."""
    from pcseg.pseudo import EdgeCosts, suggest_points, surface_graph  # late: PyTorch takes seconds to load
    from pcseg.pseudo.spread import node_labels

    costs = EdgeCosts(attributes=dict.fromkeys(options.attributes, 1.0))
    graph = surface_graph(scene.coord, scene.attributes, costs, options.voxel_size)
    known = None
    if given is not None and scene.name in given:
        known = node_labels(graph, given.labels(scene), len(scene.classes))
    point = first_points(graph)
    segments = None if scene.superpoint is None else np.asarray(scene.superpoint)[point]
    return point[suggest_points(graph, options.budget, known, None if doubt is None else graph.mean(doubt), segments)]


def first_points(graph: SurfaceGraph) -> np.ndarray:
    """Return the number (N,) of the first point of each node."""
    return np.unique(graph.node, return_index=True)[1]


def row(scene: Scene, number: int, point: int) -> tuple[str, ...]:
    """Return the row of a point to label: its coordinates are those of the raw scan, its class is empty."""
    place = np.asarray(scene.coord[point], dtype=np.float64) + scene.origin
    return (str(number), scene.name, str(point), *(f"{value:.3f}" for value in place), "")


def draw(stem: Path, scene: Scene, points: np.ndarray) -> None:
    """Write ``<stem>.png`` and ``<stem>.html``, where the class of each of the ``points`` (n,) is its number."""
    from pcseg.vis.html import write_html  # late: Matplotlib and SciPy take a second to load
    from pcseg.vis.numbered import write_numbered
    from pcseg.vis.view import CloudView

    labels = np.full(len(scene), IGNORE, dtype=np.int64)
    labels[points] = np.arange(len(points))
    numbers = Classes(tuple(str(number) for number in range(1, len(points) + 1)) or ("none",))
    note = "the labeled points are those to label; the names of their classes are their numbers in the CSV file"
    view = CloudView(scene.name, scene.coord, numbers, scene.color, labels=labels, origin=scene.origin, notes=(note,))
    stem.parent.mkdir(parents=True, exist_ok=True)
    write_numbered(stem.with_name(f"{stem.name}.png"), view)
    write_html(stem.with_name(f"{stem.name}.html"), view)


def write(path: str, rows: list[tuple[str, ...]]) -> None:
    """Write the rows as a CSV file, atomically."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    run(main, Options)
