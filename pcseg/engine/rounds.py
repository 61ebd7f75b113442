"""Passes over the training scenes between stages, which label them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
from torch import nn
from tqdm import tqdm

from pcseg.archives import read_npz
from pcseg.budgets.scene_labels import SceneLabels, packed
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.checks import from_zero_to_one
from pcseg.classes import IGNORE
from pcseg.engine.folder import RunFolder
from pcseg.engine.predictors import AnyPredictor, make_predictor
from pcseg.feeding.training_set import TrainingSet, given_labels
from pcseg.files import atomic_path
from pcseg.model.model import Model
from pcseg.scenes.scene import read_scene


class LabelPass:
    """Base of passes that label all training scenes: writes ``<run>/labels/<stage>.npz``, a label file like any other.

    Points of the label budget keep their own label at weight 1; no other label is read. Without a budget the given
    labels are those in the scenes, which may be labeled in part. The file names what it comes from: the hashes of the
    budget and of the weights, and the settings of the pass. Scenes are shared out among the processes and kept one by
    one, so that a pass that was killed goes on.
    """

    rule = "pseudo"

    def __init__(self, data: TrainingSet[Any], stage: str) -> None:
        self.data, self.stage = data, stage

    def source(self, model: Model) -> dict[str, Any]:
        """Return what the labels come from, as JSON."""
        raise NotImplementedError

    def label(self, predictor: AnyPredictor, path: Path, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a label (P,), IGNORE for none, and its confidence (P,) of the scene in the folder ``path``.

        ``known`` (P,) are the labels of the budget.
        """
        raise NotImplementedError

    def prepare(
        self,
        predictor: AnyPredictor,
        parts: Path,
        scenes: Sequence[tuple[int, Path]],
        fabric: lightning_fabric.Fabric,
    ) -> None:
        """Get ready to label; ``scenes`` by number are those of this process, ``parts`` a folder for all processes."""

    def weighed(self, scenes: list[SceneLabels]) -> tuple[SceneLabels, ...]:
        """Return the labels of all ``scenes`` that the file is to hold, with their weights."""
        return tuple(scenes)

    def __call__(self, model: Model, folder: RunFolder, fabric: lightning_fabric.Fabric) -> None:
        budget = self.data.labels
        source = {**self.source(model), "budget": None if budget is None else budget.sha256}
        target = label_file(folder.path, self.stage)
        if target.is_file():
            before = WeakLabels.load(target)
            if before.parameters == source and [scene.name for scene in before.scenes] == self.data.names:
                return  # what a kill left beside it is swept by the next pass
        about = json.dumps([source, self.data.names])
        parts = target.with_name(f"{self.stage}.{hashlib.sha256(about.encode()).hexdigest()[:16]}")
        predictor = make_predictor(model, fabric.device)
        scenes = list(enumerate(self.data.folders))[fabric.global_rank :: fabric.world_size]
        self.prepare(predictor, parts, scenes, fabric)
        for number, path in tqdm(scenes, desc="label", unit="scene", leave=False, disable=fabric.global_rank > 0):
            part = parts / f"{number}.npz"
            if not part.is_file():
                known = self.known(path)
                save_arrays(part, **packed(*self.label(predictor, path, known), known))
        fabric.barrier()
        if fabric.is_global_zero:
            found = [self._scene(number, parts) for number in range(len(self.data.folders))]
            labels = WeakLabels(self.data.classes.names, self.rule, source, None, self.weighed(found))
            labels.save(target)
            for left in target.parent.glob(f"{self.stage}.*/"):
                shutil.rmtree(left, ignore_errors=True)
            folder.log(labels.summary())

    def known(self, path: Path) -> np.ndarray:
        """Return the given labels (P,) of the scene in the folder ``path``, IGNORE elsewhere."""
        budget = self.data.labels
        scene = read_scene(path, self.data.classes, with_labels=budget is None)
        return given_labels(scene) if budget is None else budget.given(scene)

    def _scene(self, number: int, parts: Path) -> SceneLabels:
        arrays, _ = read_npz(parts / f"{number}.npz")
        scene = read_scene(self.data.folders[number], self.data.classes, with_labels=False)
        return SceneLabels(scene.name, len(scene), scene.digest(), arrays["index"], arrays["label"], arrays["weight"])


class Relabel(LabelPass):
    """Labels every point that the deployed network is sure of: its largest probability is at least ``confidence``.

    That probability is the weight of the label. Raises InputError for a confidence outside [0, 1].
    """

    def __init__(self, data: TrainingSet[Any], stage: str, confidence: float = 0.9) -> None:
        from_zero_to_one(**{f"stages.{stage}.before.confidence": confidence})
        super().__init__(data, stage)
        self.confidence = confidence

    def source(self, model: Model) -> dict[str, Any]:
        return {"weights": digest(model.network), "confidence": self.confidence}

    def label(self, predictor: AnyPredictor, path: Path, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels, confidence = predictor.predict_scene(predictor.read(path, with_labels=False))
        return np.where(confidence >= self.confidence, labels, IGNORE), confidence


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays by name to an npz file, atomically."""
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def label_file(run: Path, stage: str) -> Path:
    """Return the place of the label file that a pass before ``stage`` leaves."""
    return run / "labels" / f"{stage}.npz"


def digest(network: nn.Module) -> str:
    """Return the SHA-256 of a network's weights and buffers."""
    found: Any = hashlib.sha256()
    for name, value in network.state_dict().items():
        found.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return str(found.hexdigest())
