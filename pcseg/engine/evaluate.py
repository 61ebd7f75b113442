"""Score a model on whole scenes: every point at full resolution, one confusion matrix over the split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
import torch
from tqdm import tqdm

from pcseg.classes import IGNORE
from pcseg.engine.predictors import AnyPredictor
from pcseg.metrics import ConfusionMatrix
from pcseg.model.inputs import ImageInputs
from pcseg.scenes.listing import check_kind
from pcseg.scenes.scene import Scene

Keep = Callable[[Scene, np.ndarray, np.ndarray], None]


def check_scenes(predictor: AnyPredictor, scenes: Sequence[Path]) -> None:
    """Raise InputError, before the work, for the first scene (a folder) that ``evaluate`` would refuse."""
    check_kind(scenes, pictures=isinstance(predictor.model.inputs, ImageInputs))
    for folder in tqdm(scenes, desc="check scenes", unit="scene", leave=False):
        predictor.check(folder)


def evaluate(
    predictor: AnyPredictor,
    scenes: Sequence[Path],
    fabric: lightning_fabric.Fabric | None = None,
    keep: Keep | None = None,
) -> ConfusionMatrix:
    """Return the confusion matrix of ``scenes`` (folders); points whose truth is IGNORE are left out.

    With several processes each takes its share of the scenes and every one gets the sum. ``keep(scene, labels,
    confidence)`` is called for each scene, e.g. to save its prediction. A scene without labels is predicted and adds
    nothing; nor does a point whose coordinates stand for no place, which has no prediction (how many is printed).
    Raises InputError for an unreadable scene.
    """
    rank, world = (fabric.global_rank, fabric.world_size) if fabric else (0, 1)
    matrix = ConfusionMatrix(len(predictor.model.classes))
    for folder in tqdm(scenes[rank::world], desc="evaluate", unit="scene", leave=False, disable=rank > 0):
        scene = predictor.read(folder)
        labels, confidence = predictor.predict_scene(scene)
        if scene.segment is not None:
            placed = labels != IGNORE
            if not placed.all():
                tqdm.write(
                    f"{scene.name}: {np.sum(~placed):,} points without finite coordinates are left out of the score"
                )
            matrix.add(labels[placed], scene.segment[placed])
        if keep is not None:
            keep(scene, labels, confidence)
    if fabric is not None:
        counts: Any = fabric.all_reduce(torch.from_numpy(matrix.counts).to(fabric.device), reduce_op="sum")
        matrix.counts = counts.cpu().numpy()
    return matrix
