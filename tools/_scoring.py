"""Score checkpoints on whole scenes, and report."""

from __future__ import annotations

import sys
import time
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from _hydra import job_folder
from pcseg.classes import IGNORE, Classes
from pcseg.command_line import check_output
from pcseg.datasets.scannet_submission import write_scannet, zip_folder
from pcseg.device import choose_device, set_threads, threads_summary
from pcseg.engine.evaluate import check_scenes, evaluate
from pcseg.engine.predictors import make_predictor
from pcseg.engine.report import metrics, number
from pcseg.errors import InputError
from pcseg.files import atomic_path, write_json
from pcseg.metrics import Calibration, ConfusionMatrix, borders
from pcseg.model.checkpoint import load_labeler
from pcseg.model.model import Model
from pcseg.model.trained_on import TrainedOn, trained_on
from pcseg.model.trained_on import seen as seen_by
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import Scene

if TYPE_CHECKING:
    from evaluate import Evaluate


def score(config: Evaluate) -> None:
    """Score each checkpoint, sum the matrices, report."""
    started = time.monotonic()
    if config.threads is not None:
        set_threads(config.threads)
    output = job_folder(config.output)
    check_output(str(output), folder=True)
    device = choose_device(config.device)
    paths = config.checkpoint if isinstance(config.checkpoint, list) else [config.checkpoint]
    if not paths or not all(isinstance(path, str) for path in paths):
        raise InputError(f"checkpoint={config.checkpoint}: give a .safetensors file, a run folder, or a list of them")
    models = [load_labeler(path) for path in paths]
    splits = [config.data.test or list(scenes_of(model, path).test) for model, path in zip(models, paths, strict=True)]
    check_folds(paths, models, splits)
    seen = seen_in_training(paths, models, splits, config.data.root)
    print(threads_summary())
    folders = [
        list_scenes(config.data.root or root_of(model, path), names, "'data.test=[...]'")
        for path, model, names in zip(paths, models, splits, strict=True)
    ]
    views = (config.votes, config.max_voxels, config.smooth, config.crf)
    predictors = [make_predictor(model, device, *views) for model in models]
    for predictor, scenes in zip(predictors, folders, strict=True):
        check_scenes(predictor, scenes)
    total, scores, details = ConfusionMatrix(len(models[0].classes)), {}, Details(len(models[0].classes))
    for path, model, predictor, scenes in zip(paths, models, predictors, folders, strict=True):
        matrix = evaluate(predictor, scenes, keep=partial(keep, config, output, model.classes, details))
        total += matrix
        scores[str(path)] = number(matrix.miou)
    protocol = f"{sum(map(len, folders))} scenes of {', '.join(chain(*splits))}; {predictors[-1].protocol()}"
    protocol += f"; TRAINED on {', '.join(seen)}" if seen else ""
    print(f"{total.table(models[0].classes.names)}\n{protocol}")
    figures = metrics(total, models[0].classes, protocol, time.monotonic() - started)
    figures |= details.figures()
    if total.counts.sum():
        print(f"at borders of classes mIoU {100 * details.borders.miou:.2f} %", end="; ")
        print(f"expected calibration error {100 * details.calibration.error:.2f} %")
    figures["trained_on"] = seen
    budgets = [model.record.get("labels") for model in models]
    figures["labels"] = budgets if len(paths) > 1 else budgets[0]
    if len(paths) > 1:
        known = [score for score in scores.values() if score is not None]
        figures["folds"] = {"miou": scores, "mean_of_miou": sum(known) / len(known) if known else None}
        print(f"mIoU of the summed confusion matrices {100 * total.miou:.2f} %, mean of the folds' mIoU ", end="")
        print(f"{100 * sum(known) / len(known):.2f} %" if known else "unknown")
    if config.submission:
        zip_folder(output / "submission", output / "submission.zip")
    write_json(output / "metrics.json", figures)
    print(f"written to {output}/metrics.json")


def scenes_of(model: Model, path: str) -> TrainedOn:
    """Return the scenes that a checkpoint was trained on; raises InputError where it does not say."""
    found = trained_on(model.record)
    if found is None:
        raise InputError(f"{path}: does not say what it was trained on; give data.root and data.test")
    return found


def root_of(model: Model, path: str) -> str:
    """Return the folder of the scenes that a checkpoint was trained on; raises InputError where it is not there."""
    root = scenes_of(model, path).root
    if not Path(root).is_dir():
        here = "" if Path(root).is_absolute() else f" in {Path.cwd()}"
        raise InputError(
            f"{path}: was trained on {root}, which is no folder{here}; say where its scenes are: data.root=..."
        )
    return root


def seen_in_training(
    paths: list[str], models: list[Model], splits: list[list[str]], root: str | None
) -> list[str] | None:
    """Return those splits that are scored by a checkpoint that was trained on them, and warn of each on stderr.

    ``root`` is the folder they are scored in, where it is not the one of the training. None where no such split is
    found and some checkpoint does not say what it was trained on.
    """
    seen, unknown = [], False
    for path, model, names in zip(paths, models, splits, strict=True):
        found = seen_by(model.record, names, root)
        if found is None:
            unknown = True
        elif found:
            seen += found
            print(
                f"warning: {path} was TRAINED on {', '.join(found)} of {root or scenes_of(model, path).root}: "
                "the score says nothing about scenes that it has not seen",
                file=sys.stderr,
            )
    return seen or (None if unknown else [])


def check_folds(paths: list[str], models: list[Model], splits: list[list[str]]) -> None:
    """Checkpoints that are scored together must know the same classes and no scene twice."""
    for path, model in zip(paths, models, strict=True):
        if model.classes.names != models[0].classes.names:
            raise InputError(f"{path}: has other classes than {paths[0]}; score them separately")
    names = [Path(name) for name in chain(*splits)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"data.test: {twice} would be scored twice; give folds that hold back different splits")


class Details:
    """What is measured beside the confusion matrix: that of points at borders of classes, and the calibration."""

    def __init__(self, n_classes: int) -> None:
        self.borders, self.calibration = ConfusionMatrix(n_classes), Calibration()

    def add(self, scene: Scene, labels: np.ndarray, confidence: np.ndarray) -> None:
        """Take a scene in, with its predicted ``labels`` and ``confidence`` (P,)."""
        if scene.segment is None:
            return
        truth = np.where(labels == IGNORE, IGNORE, scene.segment)
        self.calibration.add(labels, confidence, truth)
        near = borders(truth, scene.coord, scene.size)
        self.borders.add(labels[near], truth[near])

    def figures(self) -> dict[str, Any]:
        """Return the figures for metrics.json."""
        return {"boundary_miou": number(self.borders.miou), "calibration_error": number(self.calibration.error)}


def keep(
    config: Evaluate,
    output: Path,
    classes: Classes,
    details: Details,
    scene: Scene,
    labels: np.ndarray,
    confidence: np.ndarray,
) -> None:
    """Measure the predictions of one scene, and save them where that was asked for."""
    details.add(scene, labels, confidence)
    if config.predictions:
        path, wanted = output / "predictions" / f"{scene.name}.npy", labels.astype(np.int16)

        def check(written: Path) -> None:
            if not np.array_equal(np.load(written), wanted):
                raise ValueError("it holds other labels")

        with atomic_path(path, check) as temporary, open(temporary, "wb") as stream:
            np.save(stream, wanted)
    if config.submission:
        write_scannet(output / "submission", scene.name.rpartition("/")[2], labels, classes)
