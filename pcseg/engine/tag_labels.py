"""A pass over the training scenes that labels points by the deployed network, with classes that their tags allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pcseg.checks import from_zero_to_one, one_of
from pcseg.classes import IGNORE
from pcseg.engine.predictors import AnyPredictor
from pcseg.engine.rounds import LabelPass, digest
from pcseg.errors import InputError
from pcseg.feeding.training_set import TrainingSet
from pcseg.model.model import Model


class TagLabels(LabelPass):
    """Labels each point with the likeliest class that the tags around it allow, and nothing that has no tags around.

    Probabilities of the network are those among the allowed classes; a label is kept where its own is at least
    ``confidence``, which is its weight. ``background``: the class, if any, that needs no tag. So a network that learned
    tags, by whichever method, becomes labels for another. Raises InputError without tags and for values out of range.
    """

    rule = "tag_labels"

    def __init__(
        self, data: TrainingSet[Any], stage: str, confidence: float = 0.5, background: str | None = None
    ) -> None:
        where = f"stages.{stage}.before"
        from_zero_to_one(**{f"{where}.confidence": confidence})
        if data.tags is None:
            raise InputError(f"{where}: labels by tags need tags; give labels.tags")
        if background is not None:
            one_of(f"{where}.background", background, data.classes.names)
        super().__init__(data, stage)
        self.confidence = confidence
        self.background = None if background is None else data.classes.index(background)

    def source(self, model: Model) -> dict[str, Any]:
        assert self.data.tags is not None
        about = {"confidence": self.confidence, "background": self.background, "tags": self.data.tags.sha256}
        return {"weights": digest(model.network), **about}

    def label(self, predictor: AnyPredictor, path: Path, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scene = predictor.read(path, with_labels=False)
        allowed = self.data.allowed(scene)
        if self.background is not None:
            allowed[allowed.any(axis=1), self.background] = True
        share = predictor.probabilities(scene) * allowed
        share /= np.maximum(share.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        sure = share.max(axis=1)
        kept = (sure >= self.confidence) & (sure > 0)
        return np.where(kept, share.argmax(axis=1), IGNORE), sure
