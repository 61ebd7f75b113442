"""A pass over the training scenes between stages: label them with the network as it stands."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
from torch import nn
from tqdm import tqdm

from pcseg.archives import read_npz
from pcseg.budgets.weak_labels import SceneLabels, WeakLabels
from pcseg.classes import IGNORE
from pcseg.engine.folder import RunFolder
from pcseg.engine.predict import Predictor
from pcseg.errors import InputError
from pcseg.feeding.dataset import TrainDataset
from pcseg.files import atomic_path
from pcseg.model.model import Model
from pcseg.scenes.scene import Scene, read_scene


class Relabel:
    """Write pseudo labels of all training scenes to ``<run>/labels/<stage>.npz``, a label file like any other.

    Every point that the deployed network labels with at least ``confidence`` (its largest probability) gets that label
    and the confidence as its weight; points of the label budget keep their own label at weight 1. No other label is
    read. The file names the hash of the weights and of the budget it comes from. Scenes are shared out among the
    processes and kept one by one, so that a pass that was killed goes on. Raises InputError for a confidence outside
    [0, 1].
    """

    def __init__(self, data: TrainDataset, stage: str, confidence: float = 0.9) -> None:
        if not 0 <= confidence <= 1:
            raise InputError(f"stages.{stage}.before.confidence={confidence:g}: give 0 to 1")
        if data.labels is None:
            raise InputError(f"stages.{stage}.before: all points are labeled; give a label budget (labels=...)")
        self.data, self.budget, self.stage, self.confidence = data, data.labels, stage, confidence

    def __call__(self, model: Model, folder: RunFolder, fabric: lightning_fabric.Fabric) -> None:
        weights = digest(model.network)
        source = {"weights": weights, "budget": self.budget.sha256, "confidence": self.confidence}
        target = label_file(folder.path, self.stage)
        if target.is_file() and WeakLabels.load(target).parameters == source:
            return
        parts = target.with_name(f"{self.stage}.{weights[:16]}")
        predictor = Predictor(model, fabric.device)
        scenes = list(enumerate(self.data.folders))[fabric.global_rank :: fabric.world_size]
        for number, path in tqdm(scenes, desc="relabel", unit="scene", leave=False, disable=fabric.global_rank > 0):
            part = parts / f"{number}.npz"
            if not part.is_file():
                scene = predictor.read(path, with_labels=False)
                with atomic_path(part) as temporary, open(temporary, "wb") as stream:
                    np.savez(stream, **self._labels(predictor, scene))  # type: ignore[arg-type]
        fabric.barrier()
        if fabric.is_global_zero:
            found = [self._scene(number, parts) for number in range(len(self.data.folders))]
            labels = WeakLabels(self.data.classes.names, "pseudo", source, None, tuple(found))
            labels.save(target)
            shutil.rmtree(parts, ignore_errors=True)
            folder.log(labels.summary())

    def _labels(self, predictor: Predictor, scene: Scene) -> dict[str, np.ndarray]:
        """Return index, label and weight of the points to be labeled."""
        labels, confidence = predictor.predict_scene(scene)
        labels = np.where(confidence >= self.confidence, labels, IGNORE)
        known = self.budget.labels(scene)
        labels, confidence = (np.where(known != IGNORE, own, a) for own, a in ((known, labels), (1.0, confidence)))
        index = np.flatnonzero(labels != IGNORE)
        return {"index": index, "label": labels[index].astype(np.int16), "weight": confidence[index].astype(np.float16)}

    def _scene(self, number: int, parts: Path) -> SceneLabels:
        arrays, _ = read_npz(parts / f"{number}.npz")
        scene = read_scene(self.data.folders[number], self.data.classes, with_labels=False)
        return SceneLabels(scene.name, len(scene), scene.digest(), arrays["index"], arrays["label"], arrays["weight"])


def label_file(run: Path, stage: str) -> Path:
    """Return the place of the label file that a pass before ``stage`` leaves."""
    return run / "labels" / f"{stage}.npz"


def digest(network: nn.Module) -> str:
    """Return the SHA-256 of a network's weights and buffers."""
    found: Any = hashlib.sha256()
    for name, value in network.state_dict().items():
        found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return str(found.hexdigest())
