"""A pass over the training scenes that labels a part of them, with the classes in the shares that they truly have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
from tqdm import tqdm

from pcseg.archives import read_npz
from pcseg.budgets.order import scene_order
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.checks import from_zero_to_one
from pcseg.classes import IGNORE, Classes
from pcseg.engine.predictors import AnyPredictor
from pcseg.engine.rounds import LabelPass, digest, save_arrays
from pcseg.errors import InputError
from pcseg.feeding.training_set import TrainingSet
from pcseg.model.model import Model
from pcseg.pseudo.alignment import BINS, Selection, aligned, sketch_confidence


class Align(LabelPass):
    """Labels a part ``alpha`` of the unlabeled points, each class as often as it occurs among the given labels.

    Distribution alignment and random sampling (DARS, ICCV 2021): :func:`pcseg.pseudo.alignment.aligned` decides, by
    how sure the deployed network is, over all scenes. A first pass keeps its decisions beside the labels and sketches
    how sure they are, a second one chooses among them, by ``seed`` where they are equally sure. All labels that were
    not given have the same weight. Points known to have no class are left alone.

    ``prior``: the shares of the classes by name, of others 0; None: those of the labels of the budget, which must have
    been drawn at random, or whole scenes at a time. Raises InputError where they were not, and for numbers out of
    range.
    """

    def __init__(
        self,
        data: TrainingSet[Any],
        stage: str,
        alpha: float = 0.4,
        prior: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        from_zero_to_one(**{f"stages.{stage}.before.alpha": alpha})
        super().__init__(data, stage)
        where = f"stages.{stage}.before.prior"
        self.prior = _label_shares(data, where) if prior is None else _given_shares(prior, data.classes, where)
        self.alpha, self.seed = alpha, seed
        self._number = {path: number for number, path in enumerate(data.folders)}
        self._parts = Path()
        self._selection: Selection | None = None

    def source(self, model: Model) -> dict[str, Any]:
        about = {"alpha": self.alpha, "prior": self.prior.tolist(), "seed": self.seed}
        return {"weights": digest(model.network), **about}

    def prepare(
        self,
        predictor: AnyPredictor,
        parts: Path,
        scenes: Sequence[tuple[int, Path]],
        fabric: lightning_fabric.Fabric,
    ) -> None:
        for number, path in tqdm(scenes, desc="sketch", unit="scene", leave=False, disable=fabric.global_rank > 0):
            if not _sketch(parts, number).is_file():
                self._see(predictor, parts, number, path)
        fabric.barrier()
        total = np.zeros(len(self.data.classes) * BINS, dtype=np.int64)
        for number in range(len(self.data.folders)):
            arrays, _ = read_npz(_sketch(parts, number))
            total[arrays["cell"]] += arrays["count"]
        self._parts, self._selection = parts, aligned(total.reshape(-1, BINS), self.prior, self.alpha)

    def label(self, predictor: AnyPredictor, path: Path, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert self._selection is not None
        number = self._number[path]
        arrays, _ = read_npz(_seen(self._parts, number))
        lots = scene_order(self.seed, self.data.names[number], len(known)) / len(known)
        kept = self._selection(arrays["label"], arrays["confidence"], lots)
        return np.where(kept, arrays["label"], IGNORE), np.ones(len(known))

    def _see(self, predictor: AnyPredictor, parts: Path, number: int, path: Path) -> None:
        """Keep what the network makes of the unlabeled points of a scene, and the sketch of it."""
        known = self.known(path)
        unlabeled = known == IGNORE
        unlabeled[self._without_class(number)] = False
        labels, confidence = np.full(len(known), IGNORE, np.int16), np.zeros(len(known), np.float32)
        if unlabeled.any():
            found, sure = predictor.predict_scene(predictor.read(path, with_labels=False))
            labels[unlabeled], confidence[unlabeled] = found[unlabeled], sure[unlabeled]
        sketch = sketch_confidence(labels, confidence, len(self.data.classes)).reshape(-1)
        cell = np.flatnonzero(sketch)
        save_arrays(_seen(parts, number), label=labels, confidence=confidence)
        save_arrays(_sketch(parts, number), cell=cell, count=sketch[cell])

    def _without_class(self, number: int) -> np.ndarray:
        """Return the points (n,) of a scene that the budget was spent on and that have no class."""
        budget, name = self.data.labels, self.data.names[number]
        spent = [] if budget is None else [scene for scene in budget.scenes if scene.name == name]
        return np.concatenate([np.zeros(0, np.int64), *(scene.index[scene.label == IGNORE] for scene in spent)])


def _label_shares(data: TrainingSet[Any], where: str) -> np.ndarray:
    """Return the shares (K,) of the classes that the labels of ``data`` tell."""
    budget: WeakLabels | None = data.labels
    if budget is None or budget.rule == "scenes":
        counts = data.counts().sum(axis=0).astype(np.float64)
        shares = counts / counts.sum() if counts.any() else None
    else:
        shares = budget.shares(data.names, data.classes)
    if shares is None:
        found = "there are no labels" if budget is None else f"the labels, of rule '{budget.rule}', do not tell it"
        raise InputError(f"{where}: {found}; give the share of each class by its name")
    return shares


def _given_shares(prior: Mapping[str, float], classes: Classes, where: str) -> np.ndarray:
    """Return the shares (K,) of the classes that are given by name."""
    unknown = sorted(prior.keys() - set(classes.names))
    shares = np.array([prior.get(name, 0.0) for name in classes.names], dtype=np.float64)
    if unknown or not np.isfinite(shares).all() or shares.min() < 0 or not shares.any():
        found = f"no class '{unknown[0]}'" if unknown else f"{dict(prior)}"
        raise InputError(f"{where}: {found}; give shares of 0 or more for the classes {', '.join(classes.names)}")
    return shares / shares.sum()


def _seen(parts: Path, number: int) -> Path:
    return parts / f"seen-{number}.npz"


def _sketch(parts: Path, number: int) -> Path:
    return parts / f"sketch-{number}.npz"
