"""A pass over the training scenes that takes labels from what only seems to be of their class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pcseg.archives import read_npz
from pcseg.budgets.order import scene_order
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.checks import from_zero_to_one
from pcseg.classes import IGNORE
from pcseg.elements import Elements
from pcseg.engine.evaluating import evaluating
from pcseg.engine.folder import RunFolder
from pcseg.engine.predict import Predictor
from pcseg.engine.predict_pictures import PicturePredictor
from pcseg.engine.predictors import AnyPredictor, make_predictor
from pcseg.engine.rounds import digest, label_file, save_arrays
from pcseg.engine.tag_labels import TagLabels
from pcseg.errors import InputError
from pcseg.feeding.pictures.window import whole
from pcseg.feeding.training_set import TrainingSet
from pcseg.model.checkpoint import load_model
from pcseg.model.model import Model
from pcseg.pseudo.debias import Centroids, debiased_centroids, likeness
from pcseg.refine import CLOUDS, IMAGES, refine_scene
from pcseg.scenes.scene import Scene, read_scene
from pcseg.sparse.sizes import check_sizes

Keep = Callable[[np.ndarray, Tensor], None]
"""Function that takes rows (n,) of a scene and the features (n, C) of their points."""


class Debias(TagLabels):
    """Labels points as :class:`TagLabels` does, or takes a label file, and removes the labels of biased objects.

    MARS (arXiv 2304.09913), on :mod:`pcseg.pseudo.debias`: of each scene, ``points`` drawn by ``seed`` are clustered
    class by class, into ``objects`` groups, the ``background`` into ``behind``; the part ``alpha`` of a class's
    centroids that is farthest from the background, or from all other classes, stands for it; a label stays where
    features are ``cut`` or more like it. With ``crf`` the likeness is refined by colors first (there always). A point
    that loses its label has none, for :class:`pcseg.methods.mars.MARS` to fill; given labels stay.

    ``labels``: the stage whose pass left the label file, whose labels and weights are taken; None: those of the
    deployed network. ``features``: a checkpoint whose network's features tell objects apart, of the same kind of
    scenes; None: the deployed one. The paper's are learned without labels: those of a network that learned the tags may
    share their bias; pretraining (method=scene_contrast on clouds) leaves a checkpoint that does not. Raises InputError
    for numbers out of range.
    """

    rule = "debiased"

    def __init__(
        self,
        data: TrainingSet[Any],
        stage: str,
        confidence: float = 0.5,
        background: str | None = None,
        labels: str | None = None,
        features: str | None = None,
        objects: int = 2,
        behind: int = 2,
        alpha: float = 0.4,
        cut: float = 0.5,
        crf: bool = False,
        points: int = 8192,
        seed: int = 0,
    ) -> None:
        where = f"stages.{stage}.before"
        super().__init__(data, stage, confidence, background)
        from_zero_to_one(**{f"{where}.alpha": alpha, f"{where}.cut": cut})
        check_sizes(where, objects=objects, behind=behind, points=points)
        self.labels, self.features, self.objects, self.behind = labels, features, objects, behind
        self.alpha, self.cut, self.crf, self.points, self.seed = alpha, cut, crf, points, seed
        self._number = {path: number for number, path in enumerate(data.folders)}
        self._given: WeakLabels | None = None
        self._seer: PointFeatures | PixelFeatures | None = None
        self._parts, self._centers = Path(), torch.zeros(0, 0)

    def __call__(self, model: Model, folder: RunFolder, fabric: lightning_fabric.Fabric) -> None:
        self._given = None if self.labels is None else WeakLabels.load(label_file(folder.path, self.labels))
        self._seer = feature_predictor(model if self.features is None else load_model(self.features), fabric.device)
        if type(model.inputs) is not type(self._seer.model.inputs):
            raise InputError(
                f"stages.{self.stage}.before.features={self.features}: takes {self._seer.model.inputs}; give a network "
                "for the same kind of scenes"
            )
        super().__call__(model, folder, fabric)
        self._given = self._seer = None

    def source(self, model: Model) -> dict[str, Any]:
        assert self._seer is not None
        names = ("objects", "behind", "alpha", "cut", "crf", "points", "seed")
        about = {name: getattr(self, name) for name in names}
        given = None if self._given is None else self._given.sha256
        return {**super().source(model), **about, "labels": given, "features": digest(self._seer.model.network)}

    def prepare(
        self,
        predictor: AnyPredictor,
        parts: Path,
        scenes: Sequence[tuple[int, Path]],
        fabric: lightning_fabric.Fabric,
    ) -> None:
        for number, path in tqdm(scenes, desc="cluster", unit="scene", leave=False, disable=fabric.global_rank > 0):
            if not _seen(parts, number).is_file():
                self._see(predictor, parts, number, path)
        fabric.barrier()
        each = [read_npz(_seen(parts, number))[0] for number in range(len(self.data.folders))]
        found = [Centroids(torch.from_numpy(a["mean"]), torch.from_numpy(a["owner"])) for a in each if len(a["owner"])]
        self._parts, self._centers = parts, torch.zeros(len(self.data.classes), 0)
        if found:
            joined = Centroids.joined(found)
            self._centers = debiased_centroids(joined, len(self.data.classes), self.background, self.alpha)

    def label(self, predictor: AnyPredictor, path: Path, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert self._seer is not None
        arrays, _ = read_npz(_seen(self._parts, self._number[path]))
        labels = arrays["label"].astype(np.int64)
        if not self._centers.shape[1]:
            return labels, arrays["confidence"]
        scene = self._seer.read(path, with_labels=False)
        allowed, like = torch.from_numpy(self.data.allowed(scene)), np.ones(len(labels), dtype=np.float32)
        target = torch.from_numpy(labels)

        def keep(rows: np.ndarray, feats: Tensor) -> None:
            found = likeness(feats.cpu(), target[rows], self._centers, allowed[rows], self.background)
            like[rows] = found.numpy()

        self._seer.each(scene, keep)
        if self.crf:
            share = torch.from_numpy(np.stack([1 - like, like], axis=1))
            like = refine_scene(IMAGES if scene.size else CLOUDS, share, scene)[:, 1].numpy()
        behind = labels == (IGNORE if self.background is None else self.background)
        return np.where(behind | (like >= self.cut), labels, IGNORE), arrays["confidence"]

    def _see(self, predictor: AnyPredictor, parts: Path, number: int, path: Path) -> None:
        """Keep the labels of a scene and the centroids of the features of some of its points."""
        assert self._seer is not None
        known = self.known(path)
        if self._given is None:
            labels, sure = super().label(predictor, path, known)
        else:
            scene = read_scene(path, self.data.classes, with_labels=False)
            labels, weights = self._given.labels(scene), self._given.weights(scene)
            sure = np.ones(len(labels)) if weights is None else weights
        labels = np.where(known == IGNORE, labels, known)
        drawn = np.zeros(len(labels), dtype=bool)
        drawn[scene_order(self.seed, self.data.names[number], len(labels))[: self.points]] = True
        found: list[Tensor] = []
        of: list[np.ndarray] = []

        def keep(rows: np.ndarray, feats: Tensor) -> None:
            chosen = drawn[rows] & (labels[rows] != IGNORE)
            found.append(feats[torch.from_numpy(chosen).to(feats.device)].cpu())
            of.append(labels[rows[chosen]])

        self._seer.each(self._seer.read(path, with_labels=False), keep)
        generator = torch.Generator().manual_seed(self.seed)
        target = torch.from_numpy(np.concatenate(of))
        each = Centroids.of(torch.cat(found), target, self.background, self.objects, self.behind, generator)
        arrays = {"mean": each.mean.numpy(), "owner": each.label.numpy()}
        arrays |= {"label": labels.astype(np.int16), "confidence": sure.astype(np.float32)}
        save_arrays(_seen(parts, number), **arrays)


class PointFeatures(Predictor):
    """Features of the points of a scan before the classifier, tile by tile."""

    def each(self, scene: Scene, keep: Keep) -> None:
        """Give the features of all usable points of a scene to ``keep``, part by part."""
        self._score_scan(self._seen(scene), lambda rows, found: keep(rows, found.of_points()))

    def _found(self, elements: Elements) -> Tensor:
        return elements.feats.float()


class PixelFeatures(PicturePredictor):
    """Features of the pixels of a picture before the classifier, window by window."""

    def each(self, scene: Scene, keep: Keep) -> None:
        """Give the features of all pixels of a picture to ``keep``, part by part; a pixel takes the nearest seen."""
        image = scene.image
        seen = whole(image.shape[:2], self._inputs.scale)
        mean, std = (torch.tensor(v)[:, None, None] for v in (self._inputs.mean, self._inputs.std))
        colors = torch.from_numpy(np.array(seen.colors(image), dtype=np.float32).transpose(2, 0, 1) / 255)
        inputs = ((colors - mean) / std)[None].to(self.device)
        row, column = (
            np.floor((np.arange(edge) + 0.5) * (small / edge)).astype(np.int64)
            for edge, small in zip(image.shape[:2], seen.size, strict=True)
        )
        left = np.ones(image.shape[:2], dtype=bool)
        with evaluating(self.model.network):
            for rows, columns in self._windows(*seen.size):
                inside = ((row >= rows.start) & (row < rows.stop))[:, None] & (
                    (column >= columns.start) & (column < columns.stop)
                )
                i, j = np.nonzero(inside & left)
                left &= ~inside
                feats = self.model.network(inputs[..., rows, columns].contiguous()).feats.float()
                at = (row[i] - rows.start) * (columns.stop - columns.start) + column[j] - columns.start
                keep(i * image.shape[1] + j, feats[torch.from_numpy(at).to(feats.device)])


def feature_predictor(model: Model, device: torch.device) -> PointFeatures | PixelFeatures:
    """Return what gives the features of the scenes that a model takes."""
    kind = PixelFeatures if isinstance(make_predictor(model, device), PicturePredictor) else PointFeatures
    return kind(model, device)


def _seen(parts: Path, number: int) -> Path:
    return parts / f"seen-{number}.npz"
