"""The predictors of clouds and of pictures, and which of them a model takes."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from pcseg.engine.evaluating import CPU
from pcseg.engine.predict import Predictor
from pcseg.engine.predict_pictures import PicturePredictor
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.refine import CLOUDS, IMAGES
from pcseg.scenes.scene import Scene


class AnyPredictor(Protocol):
    """A model ready to label scenes of its kind: all that evaluation and passes over the training scenes need."""

    @property
    def model(self) -> Model: ...

    def protocol(self) -> str:
        """Return in words how labels are made."""

    def check(self, folder: Path) -> None:
        """Raise InputError for a scene in a folder that cannot be predicted or scored."""

    def read(self, folder: Path, with_labels: bool = True) -> Scene:
        """Return the scene in a folder."""

    def predict_scene(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        """Return label (P,) int64 and confidence (P,) float32 of the points of a scene."""

    def probabilities(self, scene: Scene) -> np.ndarray:
        """Return the mean probability (P, K) float32 of each class."""


def make_predictor(
    model: Model,
    device: torch.device = CPU,
    votes: int = 1,
    max_elements: int = 300_000,
    smooth: float = 0.0,
    crf: bool = False,
) -> Predictor | PicturePredictor:
    """Return the predictor of what ``model`` takes; ``max_elements`` are the voxels or pixels of the largest tile.

    ``crf`` refines probabilities with the usual settings: IMAGES for pictures, CLOUDS for scans.
    """
    if isinstance(model.inputs, ImageInputs):
        return PicturePredictor(model, device, votes, max_elements, smooth=smooth, crf=IMAGES if crf else None)
    return Predictor(model, device, votes, max_elements, smooth=smooth, crf=CLOUDS if crf else None)
