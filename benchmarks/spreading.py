"""Measure how well labels are spread over scans: accuracy, share of the points, time and memory; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

from pcseg.command_line import option, run  # before torch: pcseg chooses how the threads wait

# isort: split

import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.harness.options import at_least_one
from benchmarks.harness.table import command, machine, markdown
from pcseg.budgets.order import scene_order
from pcseg.classes import IGNORE, Classes
from pcseg.command_line import check_output
from pcseg.datasets import choose_classes
from pcseg.device import set_threads
from pcseg.engine.spread_scenes import VOXEL_SIZE, SceneSpreading
from pcseg.feeding.computed import measured
from pcseg.feeding.features import Features
from pcseg.files import write_json
from pcseg.pseudo import EdgeCosts, Spreading
from pcseg.pseudo.spread import RULES
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene

SHARES = (0.4, 0.6, 0.8, 1.0)
"""Shares of the points, the most confident first, whose accuracy is given."""


@dataclass
class Options:
    """Draw points of scans whose labels are known, spread their labels, compare with the rest, print a Markdown table.

    python -m benchmarks.spreading root=data/s3dis splits=[Area_3] budgets=[0.01,200,20] rules=[paths,walk]

    Columns: accuracy in % on the most confident 40, 60, 80 and 100 % of the points; mIoU over the classes of a scan;
    share of the points, most confident first, that have 95 % accuracy; all means over scans and draws. Seconds for
    100,000 points include reading, the graph, and a share of the time that the forest takes to learn; peak memory is
    that of the process.
    """

    root: str = option("folder of scenes, written by tools/prepare.py")
    splits: list[str] = option("splits to measure")
    budgets: list[float] = option(
        "labels: a share of the points below 1, else points a scan", factory=lambda: [0.01, 200.0, 20.0]
    )
    rules: list[str] = option("paths, walk, forest (paths and a forest)", factory=lambda: [*RULES, "forest"])
    features: list[str] = option("what the forest sees", factory=lambda: ["optional_color"])
    draws: int = option("draws of the labels", 3)
    voxel_size: float | None = option("as in tools/spread_labels.py", None)
    distance: float = option("as in tools/spread_labels.py", EdgeCosts.distance)
    normal: float = option("as in tools/spread_labels.py", EdgeCosts.normal)
    color: float = option("as in tools/spread_labels.py", EdgeCosts.color)
    attributes: list[str] = option("columns, each at weight 1", factory=list)
    beta: float = option("as in tools/spread_labels.py", Spreading.beta)
    leak: float = option("as in tools/spread_labels.py", Spreading.leak)
    threads: int | None = option("CPU threads; null for all cores", None)
    json: str | None = option("JSON file for the rows", None)


@dataclass(frozen=True)
class Row:
    """Means over scans and draws: ``accuracy`` at SHARES, ``miou`` and ``covered`` in %."""

    budget: float
    rule: str
    accuracy: tuple[float, ...]
    miou: float
    covered: float
    seconds: float


def main(options: Options) -> None:
    at_least_one("draws", [options.draws])
    if options.threads is not None:
        set_threads(options.threads)
    if options.json is not None:
        check_output(options.json, folder=False, name="json")
    folders = list_scenes(options.root, options.splits)
    cases = [(budget, rule) for budget in options.budgets for rule in options.rules]
    rows = [measure(options, folders, budget, rule) for budget, rule in tqdm(cases, unit="row")]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if options.json is not None:
        write_json(options.json, [asdict(row) for row in rows])
    print(f"{machine('cpu')}; peak memory {peak:.2f} GiB.\n{command()}\n")
    head = ("labels a scan", "rule", *(f"{100 * share:.0f} %:" for share in SHARES), "mIoU:", "at 95 %:", "s / 100k:")
    print(markdown(head, [cells(row) for row in rows]))


def measure(options: Options, folders: list[Path], budget: float, rule: str) -> Row:
    """Return the means over all scans and draws."""
    costs = EdgeCosts(options.distance, options.normal, options.color, dict.fromkeys(options.attributes, 1.0))
    spreading = Spreading(
        "walk" if rule == "walk" else "paths",
        costs,
        options.voxel_size,
        beta=options.beta,
        leak=options.leak,
        keep=0.0,
    )
    classes = choose_classes("auto", folders[0])
    voxel_size = options.voxel_size or VOXEL_SIZE
    features = measured(Features(options.features), folders, classes, voxel_size) if rule == "forest" else None
    spread = SceneSpreading(spreading, classes, features, voxel_size, at_random=True)
    found = []
    for draw in range(options.draws):
        scenes = [(folder, *drawn(folder, classes, budget, draw)) for folder in folders]
        forest, start = None, time.perf_counter()
        if features is not None:
            forest = spread.forest([spread.examples(folder, known) for folder, _, known in scenes])
        learning = (time.perf_counter() - start) / sum(len(known) for _, _, known in scenes)
        for folder, truth, known in scenes:
            start = time.perf_counter()
            label, confidence = spread(folder, known, forest)
            seconds = learning + (time.perf_counter() - start) / len(known)
            found.append((*scores(truth, label, confidence), 1e5 * seconds))
    *accuracy, miou, covered, seconds = np.mean(found, axis=0).tolist()
    return Row(budget, rule, tuple(accuracy), miou, covered, seconds)


def drawn(folder: Path, classes: Classes, budget: float, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the true labels (P,) of a scene, and those of them that were drawn, IGNORE elsewhere."""
    scene = read_scene(folder, classes, with_labels=True)
    assert scene.segment is not None
    truth = np.asarray(scene.segment)
    order = scene_order(draw, scene.name, len(scene))
    order = order[truth[order] != IGNORE]
    count = max(1, round(budget * len(order) if budget < 1 else budget))
    known = np.full(len(scene), IGNORE, dtype=np.int64)
    known[order[:count]] = truth[order[:count]]
    return truth, known


def scores(truth: np.ndarray, label: np.ndarray, confidence: np.ndarray) -> tuple[float, ...]:
    """Return the accuracy at each of SHARES, the mIoU and the largest share of 95 % accuracy, in %; points (P,)."""
    known = truth != IGNORE
    truth, label = truth[known], label[known]
    right = (truth == label)[np.argsort(-confidence[known], kind="stable")]
    mean = np.cumsum(right) / np.arange(1, len(right) + 1)
    iou = [((label == k) & (truth == k)).sum() / ((label == k) | (truth == k)).sum() for k in np.unique(truth)]
    good = np.flatnonzero(mean >= 0.95)
    covered = (good[-1] + 1) / len(right) if len(good) else 0.0
    at = [mean[max(0, round(share * len(right)) - 1)] for share in SHARES]
    return tuple(100 * float(value) for value in (*at, np.mean(iou), covered))


def cells(row: Row) -> list[str]:
    labels = f"{100 * row.budget:g} %" if row.budget < 1 else f"{row.budget:g}"
    figures = (*row.accuracy, row.miou, row.covered)
    return [labels, row.rule, *(f"{value:.1f}" for value in figures), f"{row.seconds:.2f}"]


if __name__ == "__main__":
    run(main, Options)
