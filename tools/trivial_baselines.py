"""Score color alone and height alone: the floor below which a segmentation has learned nothing of shape."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pcseg.classes import IGNORE, S3DIS
from pcseg.command_line import check_output, option, run
from pcseg.errors import InputError
from pcseg.files import write_json
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import Scene, read_scene

if TYPE_CHECKING:
    from pcseg.metrics import ConfusionMatrix

COLOR_LEVELS = 16
HEIGHT_BIN, HEIGHT_BINS = 0.05, 200
POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass
class Options:
    """Color alone and height alone on the S3DIS classes: each bin takes the class it holds most of in training.

    Colors fall into 16 levels a channel, heights above the lowest point of a scene into steps of 5 cm. Class counts are
    divided by (class frequency)^a, with the a of 0, 0.25, ..., 1 that gives the best mIoU on the training splits.
    Scored on all points of the test split.
    """

    root: str = option("folder of prepared scenes", "data/simulated")
    test: str = option("split to score on; the other Area_* are trained on", "Area_5")
    output: str | None = option("JSON file for the figures", None)


def color_bin(scene: Scene) -> np.ndarray:
    """Return the bin of each point's color (P,) int64."""
    if scene.color is None:
        raise InputError(f"{scene.name}: no color.npy; the color baseline needs colors")
    level = scene.color.astype(np.int64) * COLOR_LEVELS // 256
    return np.asarray(level @ [COLOR_LEVELS**2, COLOR_LEVELS, 1])


def height_bin(scene: Scene) -> np.ndarray:
    """Return the bin of each point's height above the lowest point (P,) int64."""
    height = scene.coord[:, 2] - scene.coord[:, 2].min()
    return np.asarray((height / HEIGHT_BIN).astype(np.int64).clip(0, HEIGHT_BINS - 1))


def counted(folders: list[Path], bins: Callable[[Scene], np.ndarray], n_bins: int) -> np.ndarray:
    """Return the number of points of each class in each bin (n_bins, K), without points of unknown class."""
    counts = np.zeros((n_bins, len(S3DIS)))
    for folder in folders:
        scene = read_scene(folder, S3DIS, with_labels=True)
        if scene.segment is None:
            raise InputError(f"{folder}: no segment.npy; give labeled scenes")
        known = scene.segment != IGNORE
        np.add.at(counts, (bins(scene)[known], scene.segment[known]), 1)
    return counts


def confusion(counts: np.ndarray, choice: np.ndarray) -> ConfusionMatrix:
    """Return the confusion matrix of predicting class ``choice[b]`` in bin b; ``counts`` (n_bins, K): true classes."""
    from pcseg.metrics import ConfusionMatrix  # late: PyTorch takes seconds to load

    matrix = ConfusionMatrix(len(S3DIS))
    np.add.at(matrix.counts.T, choice, counts.astype(np.int64))
    return matrix


def baseline(train: np.ndarray, test: np.ndarray) -> ConfusionMatrix:
    """Return the confusion matrix on ``test`` of the classes chosen for each bin from ``train``, both (n_bins, K).

    A bin that no training point fell into takes the class with most points.
    """
    total = np.maximum(train.sum(axis=0), 1)
    seen = train + 1e-9 * total  # decides empty bins only
    choices = [np.argmax(seen / total**power, axis=1) for power in POWERS]
    return confusion(test, max(choices, key=lambda choice: confusion(train, choice).miou))


def main(options: Options) -> None:
    if options.output is not None:
        check_output(options.output, folder=False)
    from pcseg.engine.report import metrics  # late: PyTorch takes seconds to load

    root = Path(options.root)
    splits = sorted(p.name for p in root.glob("Area_*") if p.is_dir() and p.name != options.test)
    if not splits:
        raise InputError(f"root={root}: no Area_* to train on beside {options.test}; prepare an S3DIS-like data set")
    train, test = list_scenes(root, splits), list_scenes(root, [options.test], "test=...")
    protocol = f"{len(test)} scenes of {options.test}; all points"
    figures = {}
    for name, bins, n_bins in (("color", color_bin, COLOR_LEVELS**3), ("height", height_bin, HEIGHT_BINS)):
        started = time.monotonic()
        matrix = baseline(counted(train, bins, n_bins), counted(test, bins, n_bins))
        print(f"{name} alone, {options.test} of {root}\n{matrix.table(S3DIS.names)}\n")
        figures[name] = metrics(matrix, S3DIS, f"{protocol}; {name} alone", time.monotonic() - started)
    if options.output is not None:
        write_json(options.output, figures)


if __name__ == "__main__":
    run(main, Options)
