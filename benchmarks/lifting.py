"""Score label files, such as those of lifted, drawn or spread labels, against the true labels; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

from pcseg.command_line import option, run  # before torch: pcseg chooses how the threads wait

# isort: split

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.harness.table import command, markdown
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.command_line import check_output
from pcseg.errors import InputError
from pcseg.files import write_json
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene


@dataclass
class Options:
    """Compare the labels of files with the true ones of the same scans or pictures, print a Markdown table.

    python -m benchmarks.lifting root=data/simulated 'splits=[Area_5]' 'labels=[data/lifted.npz]'

    Columns, in %, over the points of all scenes together: those with a label; how many of these are right; mIoU of
    these; mIoU of all points, where one without a label is missed. Points whose label was given (weight 1 in a file of
    guessed ones) are left out. This reads true labels: none of the tools that make label files does.
    """

    root: str = option("folder of scenes, written by tools/prepare.py")
    splits: list[str] = option("splits to score, e.g. [Area_5]; scenes that a file does not cover are left out")
    labels: list[str] = option("label files")
    json: str | None = option("JSON file for the rows", None)


@dataclass(frozen=True)
class Row:
    """The score of a label file over ``scenes`` scenes; the rest in %."""

    labels: str
    scenes: int
    labeled: float
    accuracy: float
    miou: float
    miou_of_all: float


def main(options: Options) -> None:
    if options.json is not None:
        check_output(options.json, folder=False, name="json")
    folders = list_scenes(options.root, options.splits)
    rows = [score(file, folders) for file in options.labels]
    if options.json is not None:
        write_json(options.json, [asdict(row) for row in rows])
    head = ("labels", "scenes:", "labeled:", "right:", "mIoU:", "mIoU of all:")
    print(f"{command()}\n\n{markdown(head, [cells(row) for row in rows])}")


def score(file: str, folders: list[Path]) -> Row:
    """Return the score of the label file ``file`` on the scenes that it covers; InputError if there is none."""
    labels = WeakLabels.load(file)
    classes, k = Classes(labels.classes), len(labels.classes)
    counts, scenes = np.zeros((k, k + 1), dtype=np.int64), 0
    for folder in tqdm(folders, unit="scene", leave=False):
        if f"{folder.parent.name}/{folder.name}" not in labels:
            continue
        scene = read_scene(folder, classes, with_labels=True)
        if scene.segment is None:
            raise InputError(f"{folder}: has no segment.npy; only scenes with true labels can be scored")
        truth, weights = np.asarray(scene.segment, dtype=np.int64), labels.weights(scene)
        counted = truth != IGNORE if weights is None else (truth != IGNORE) & (weights < 1)
        found = labels.labels(scene)[counted]
        place = truth[counted] * (k + 1) + np.where(found == IGNORE, k, found)
        counts += np.bincount(place, minlength=counts.size).reshape(counts.shape)
        scenes += 1
    if not counts.sum():
        raise InputError(f"labels={file}: covers no point of these splits whose label is known and was not given")
    known = counts[:, :k]
    accuracy = np.trace(known) / max(known.sum(), 1)
    shares = (known.sum() / counts.sum(), accuracy, miou(known, known), miou(counts, known))
    return Row(file, scenes, *(100 * float(share) for share in shares))


def miou(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean IoU of the classes with a point in ``true`` (K, n), counts of true by predicted class.

    ``predicted`` (K, K): those of the points with a label.
    """
    hits, all_true = np.diag(predicted), true.sum(axis=1)
    union = all_true + predicted.sum(axis=0) - hits
    there = all_true > 0
    return float((hits[there] / union[there]).mean()) if there.any() else 0.0


def cells(row: Row) -> list[str]:
    figures = (row.labeled, row.accuracy, row.miou, row.miou_of_all)
    return [row.labels, str(row.scenes), *(f"{value:.1f}" for value in figures)]


if __name__ == "__main__":
    run(main, Options)
