"""Refine the probabilities of a whole scene, of the points of a cloud or the pixels of a picture, by a CRF."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.refine.crf import CRF
from pcseg.scenes.scene import Scene


def check_color(crf: CRF, scene: Scene) -> None:
    """Raise InputError where ``crf`` compares colors and a scene has none."""
    if crf.w1 > 0 and scene.color is None:
        raise InputError(
            f"{scene.name}: has no color, which the crf compares; leave crf out, or even out by smooth=0.003"
        )


def refine_scene(crf: CRF, probabilities: Tensor, scene: Scene) -> Tensor:
    """Return the refined probabilities (P, K) float32 of the P points of a scene, on the device of those given.

    Positions are coordinates in meters, those of a picture columns and rows. ``probabilities`` (P, K) as the CRF takes
    them. Raises InputError where a color is missing.
    """
    check_color(crf, scene)
    place = scene.coord if scene.size is None else scene.coord[:, :2]
    position = torch.from_numpy(np.array(place)).to(probabilities.device)
    color = None if scene.color is None else torch.from_numpy(np.array(scene.color)).to(probabilities.device)
    return crf(probabilities, position, color)
