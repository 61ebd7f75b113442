"""Measure what suggested points are worth against random ones and one click per object; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

from pcseg.command_line import option, run  # before torch: pcseg chooses how the threads wait

# isort: split

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.harness.options import at_least_one
from benchmarks.harness.table import command, machine, markdown
from benchmarks.spreading import scores
from pcseg.budgets.draw import draw_clicks
from pcseg.budgets.order import scene_order
from pcseg.classes import IGNORE, Classes
from pcseg.datasets import choose_classes
from pcseg.device import set_threads
from pcseg.pseudo import EdgeCosts, Spreading, SurfaceGraph, make_superpoints, suggest_points
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import Scene, read_scene

COUNTS = (3000, 1400, 700, 200)
"""Largest numbers of superpoints whose majority classes are compared with the truth."""


@dataclass
class Options:
    """Spread the labels of suggested points, of random ones and of one point of each object; print Markdown tables.

    python -m benchmarks.suggest root=data/s3dis splits=[Area_3,Area_5] budgets=[20,50,200]

    Columns: points a scan; accuracy in % on the most confident 60 % and on all points, mIoU over the classes of a scan;
    means over scans and draws. The second table is of superpoints in which every point has the class of the majority.
    """

    root: str = option("folder of scenes, written by tools/prepare.py")
    splits: list[str] = option("splits to measure")
    budgets: list[int] = option("points a scan", factory=lambda: [20, 50, 200])
    draws: int = option("draws of the random points", 3)
    attributes: list[str] = option("further columns of the graph, each at weight 1", factory=list)
    voxel_size: float | None = option("as in tools/suggest_labels.py", None)
    threads: int | None = option("CPU threads; null for all cores", None)


Rows = dict[tuple[str, int], list[tuple[float, ...]]]
"""Figures of each scan and draw, by kind of points and budget."""


def main(options: Options) -> None:
    at_least_one("draws", [options.draws])
    at_least_one("budgets", options.budgets)
    if options.threads is not None:
        set_threads(options.threads)
    found: Rows = {}
    for folder in tqdm(list_scenes(options.root, options.splits), unit="scan"):
        classes = choose_classes("auto", folder)
        measure(options, folder, classes, found)
    print(f"{machine('cpu')}.\n{command()}\n")
    labels = [(kind, row) for (kind, _), row in sorted(found.items(), key=order) if kind != "superpoints"]
    head = ("points chosen", "points:", "60 %:", "100 %:", "mIoU:")
    print(markdown(head, [[kind, *figures(row)] for kind, row in labels]))
    oracle = [figures(row) for (kind, _), row in sorted(found.items(), key=order) if kind == "superpoints"]
    print("\n" + markdown(("superpoints:", "accuracy:", "mIoU:"), oracle))


def order(item: tuple[tuple[str, int], list[tuple[float, ...]]]) -> tuple[int, str]:
    (kind, budget), _ = item
    return budget, kind


def figures(row: list[tuple[float, ...]]) -> list[str]:
    count, *rest = np.mean(row, axis=0).tolist()
    return [f"{count:.0f}", *(f"{value:.1f}" for value in rest)]


def measure(options: Options, folder: Path, classes: Classes, found: Rows) -> None:
    """Add the figures of one scan to ``found``."""
    scene = read_scene(folder, classes, with_labels=True, columns=options.attributes)
    assert scene.segment is not None
    truth = np.asarray(scene.segment, dtype=np.int64)
    costs = EdgeCosts(attributes=dict.fromkeys(options.attributes, 1.0))
    spreading = Spreading(costs=costs, voxel_size=options.voxel_size, keep=0.0)
    graph = spreading.graph(scene.coord, scene.attributes)
    point = np.unique(graph.node, return_index=True)[1]

    def add(kind: str, budget: int, points: np.ndarray) -> None:
        labels = np.full(len(scene), IGNORE, dtype=np.int64)
        labels[points] = truth[points]
        _, sixty, _, whole, miou, _ = scores(truth, *spreading(graph, labels, len(classes)))
        found.setdefault((kind, budget), []).append((len(points), sixty, whole, miou))

    for budget in options.budgets:
        for draw in range(options.draws):
            add("random", budget, scene_order(draw, scene.name, len(scene))[:budget])
        add("suggested", budget, point[suggest_points(graph, budget)])
    if scene.instance is not None:
        for draw in range(options.draws):
            add("one per object", 0, draw_clicks([scene], classes, draw).scenes[0].index)
    for most in COUNTS:
        found.setdefault(("superpoints", most), []).append(oracle(graph, scene, truth, most))


def oracle(graph: SurfaceGraph, scene: Scene, truth: np.ndarray, most: int) -> tuple[float, ...]:
    """Return the number of superpoints, and accuracy and mIoU in % if each has the class of most of its points."""
    part = make_superpoints(graph, 0.0, most=most)[graph.node]
    known = truth != IGNORE
    n_classes = len(scene.classes)
    votes = np.bincount(part[known] * n_classes + truth[known], minlength=(part.max() + 1) * n_classes)
    label = votes.reshape(-1, n_classes).argmax(axis=1)[part]
    *_, whole, miou, _ = scores(truth, label, np.ones(len(truth)))
    return float(part.max() + 1), whole, miou


if __name__ == "__main__":
    run(main, Options)
