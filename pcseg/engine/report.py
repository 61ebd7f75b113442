"""The report of a run or an evaluation: metrics.json, label counts and the git hash of the code."""

from __future__ import annotations

import hashlib
import math
import subprocess
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pcseg.classes import IGNORE, Classes
from pcseg.engine.memory import peak_memory
from pcseg.errors import InputError
from pcseg.feeding.training_set import TrainingSet, given_labels
from pcseg.metrics import ConfusionMatrix
from pcseg.scenes.scene import read_scene


def metrics(matrix: ConfusionMatrix, classes: Classes, protocol: str, seconds: float) -> dict[str, Any]:
    """Return the figures of a confusion matrix for JSON: shares of 1, and null for a class that is absent."""
    return {
        "miou": number(matrix.miou),
        "iou": {name: number(float(iou)) for name, iou in zip(classes.names, matrix.iou, strict=True)},
        "accuracy": number(matrix.accuracy),
        "protocol": protocol,
        "seconds": round(seconds, 1),
        "peak_memory_gib": peak_memory(),
        "confusion": matrix.counts.tolist(),
    }


def budget(dataset: TrainingSet[Any], required: bool = True) -> dict[str, Any]:
    """Return ``{"count", "fraction", "sha256"}`` of the labels of a training set.

    Scenes of the label file that are not trained on do not count; the hash is that of the whole file. Looks at every
    scene, so that a label file of other clouds is found before training and not in the middle of it. Raises InputError
    where there is no label to learn from though one is ``required``, unless there are tags.
    """
    count, points, digest = 0, 0, hashlib.sha256()
    for folder in tqdm(dataset.folders, desc="check labels", unit="scene", leave=False):
        scene = read_scene(folder, dataset.classes, with_labels=dataset.labels is None)
        points += len(scene)
        if dataset.labels is not None:
            dataset.labels.labels(scene)
            continue
        labels = given_labels(scene)
        count += int((labels != IGNORE).sum())
        digest.update(scene.name.encode(errors="surrogateescape") + labels.astype("<i2").tobytes())
    if dataset.labels is not None:
        count = int(dataset.labels.counts(dataset.names, dataset.classes).sum())
    if required and not count and dataset.tags is None:
        remedy = (
            "draw or click others (labels.file=...)" if dataset.labels else "label some, or click (labels.file=...)"
        )
        raise InputError(f"labels: 0 points of the {len(dataset)} scenes to train on carry a class; {remedy}")
    sha256 = digest.hexdigest() if dataset.labels is None else dataset.labels.sha256
    return {"count": count, "fraction": count / max(points, 1), "sha256": sha256}


def number(value: float) -> float | None:
    """Return ``value``, or None where it is NaN, which JSON does not have."""
    return None if math.isnan(value) else value


def git_hash() -> str | None:
    """Return the commit of the checkout of this code, with ``+`` where files differ; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None
