"""The pass that spreads the labels and tags of a budget over the training scenes before a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
from tqdm import tqdm

from pcseg.archives import read_npz
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.checks import at_least_zero
from pcseg.engine.encoder_columns import EncoderColumns
from pcseg.engine.folder import RunFolder
from pcseg.engine.predictors import AnyPredictor
from pcseg.engine.rounds import LabelPass, digest, save_arrays
from pcseg.engine.spread_forest import Learn, learned_forest
from pcseg.engine.spread_scenes import SceneSpreading
from pcseg.errors import InputError
from pcseg.feeding.dataset import TrainDataset
from pcseg.feeding.features import Features
from pcseg.feeding.pictures import PictureDataset
from pcseg.feeding.training_set import TrainingSet
from pcseg.model.model import Model
from pcseg.pseudo import Forest, Spreading


class Spread(LabelPass):
    """Spreads the labels of the budget over the surface of each scan, or picture (:class:`pcseg.pseudo.Spreading`).

    With ``forest``, one is fitted to the labels of all scenes, on the shape of the surroundings of points and on the
    features that the network sees (:class:`pcseg.pseudo.Forest`); on pictures, on their colors and on ``components`` of
    each level of the encoder as the stage begins (:class:`pcseg.engine.encoder_columns.EncoderColumns`). With
    ``network`` the probabilities of the deployed network are averaged with those of the labels. The confidence is the
    weight of a label; with ``balance`` labels are chosen and weighed by the shares of the classes
    (:func:`pcseg.budgets.balance.balanced`): those that the budget tells, or those among the labels once spread, with
    tags both together. With tags, points have no class that these say is not around them, and forests learn from what
    others would take for each tag; then no point needs a label. Where ``spreading`` names no voxel size it is that of
    the data, of pictures two pixels as the network sees them.
    """

    rule = "spread"

    def __init__(
        self,
        data: TrainingSet[Any],
        stage: str,
        spreading: Spreading | None = None,
        forest: bool = True,
        network: bool = False,
        balance: bool = True,
        components: int = 8,
    ) -> None:
        super().__init__(data, stage)
        at_least_zero(**{f"stages.{stage}.before.components": components})
        if isinstance(data, PictureDataset):
            seen, features = 2 / data.scale, Features(["color"])
        else:
            assert isinstance(data, TrainDataset)
            seen, features = data.voxel_size, data.features
        spreading = spreading or Spreading()
        if spreading.voxel_size is None:
            spreading = replace(spreading, voxel_size=seen)
        budget = data.labels
        at_random = budget is not None and budget.at_random
        true = budget.shares(data.names, data.classes) if balance and budget is not None else None
        if not forest and budget is not None and not budget.count:
            raise InputError(f"stages.{stage}.before.forest=false: no point has a label, and tags need a forest")
        tags = None if data.tags is None or data.tags.rule == "labels" else data.tags  # labels do not tell all classes
        self.spreading = SceneSpreading(
            spreading, data.classes, features if forest else None, seen, at_random, true, balance, tags
        )
        self.network = network
        self.components = components if forest and isinstance(data, PictureDataset) else 0
        self._forest: Forest | None = None  # while scenes are labeled

    def __call__(self, model: Model, folder: RunFolder, fabric: lightning_fabric.Fabric) -> None:
        super().__call__(model, folder, fabric)
        self._forest, self.spreading = None, replace(self.spreading, seen=None)

    def source(self, model: Model) -> dict[str, Any]:
        sees = self.network or self.components
        encoder = {"components": self.components} if self.components else {}
        return {"weights": digest(model.network) if sees else None, **encoder, **self.spreading.source()}

    def prepare(
        self,
        predictor: AnyPredictor,
        parts: Path,
        scenes: Sequence[tuple[int, Path]],
        fabric: lightning_fabric.Fabric,
    ) -> None:
        if self.components:
            seen = EncoderColumns(predictor.model, self.components, self.data.folders)
            self.spreading = replace(self.spreading, seen=seen)
        each = partial(self._learned, parts=parts, scenes=scenes, fabric=fabric)
        self._forest = learned_forest(self.spreading, each, self.data.folders)

    def _learned(
        self,
        name: str,
        learn: Learn,
        parts: Path,
        scenes: Sequence[tuple[int, Path]],
        fabric: lightning_fabric.Fabric,
    ) -> list[dict[str, np.ndarray]]:
        """Return what a forest learns from all scenes; each process finds it for its own and keeps it in ``parts``."""
        for number, path in tqdm(scenes, desc=name, unit="scene", leave=False, disable=fabric.global_rank > 0):
            part = parts / f"{name}-{number}.npz"
            if not part.is_file():
                save_arrays(part, **learn(path, self.known(path)))
        fabric.barrier()
        return [read_npz(parts / f"{name}-{number}.npz")[0] for number in range(len(self.data.folders))]

    def weighed(self, scenes: list[SceneLabels]) -> tuple[SceneLabels, ...]:
        return self.spreading.weighed(scenes)

    def label(self, predictor: AnyPredictor, path: Path, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen = predictor.probabilities(predictor.read(path, with_labels=False)) if self.network else None
        return self.spreading(path, known, self._forest, seen)
