"""Weigh labels that were spread or guessed, so that no class gains by being easy to spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pcseg.budgets.scene_labels import SceneLabels
from pcseg.classes import IGNORE


def balanced(scenes: Sequence[SceneLabels], shares: np.ndarray) -> tuple[SceneLabels, ...]:
    """Return ``scenes`` with their weights below 1 scaled, one factor for each class.

    Afterwards these weights of the classes are to each other as ``shares`` (K,), the true shares of the classes. Labels
    of large flat things spread far and with confidence, those of small or rare things do not: weighed by confidence
    alone they count for less than there is of them, and a network unlearns them. Weights of 1, of given labels, stay;
    the largest factor is 1. A class with a share of 0 keeps its weights.
    """
    mass = np.zeros(len(shares))
    for scene in scenes:
        guessed = _guessed(scene)
        mass += np.bincount(scene.label[guessed], _weights(scene)[guessed], minlength=len(shares))
    factor = np.divide(shares, mass, out=np.zeros(len(shares)), where=mass > 0)
    if not factor.any():
        return tuple(scenes)
    factor = np.where(factor > 0, factor / factor.max(), 1)
    return tuple(_scaled(scene, factor) for scene in scenes)


def _scaled(scene: SceneLabels, factor: np.ndarray) -> SceneLabels:
    guessed, weight = _guessed(scene), _weights(scene)
    smallest = np.finfo(np.float16).smallest_subnormal
    weight[guessed] = np.maximum(weight[guessed] * factor[scene.label[guessed]], smallest)
    return replace(scene, weight=weight.astype(np.float16))


def _guessed(scene: SceneLabels) -> np.ndarray:
    return (scene.label != IGNORE) & (_weights(scene) < 1)


def _weights(scene: SceneLabels) -> np.ndarray:
    return np.ones(len(scene.label)) if scene.weight is None else scene.weight.astype(np.float64)
