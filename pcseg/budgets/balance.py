"""Choose and weigh labels that were spread or guessed, so that no class gains by being easy to guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pcseg.budgets.scene_labels import SceneLabels
from pcseg.classes import IGNORE

MOST = 20
"""How many times more a guess of one class may count than one of another, at equal confidence."""

SURE = 20
"""Labels of a class, drawn at random, that tell its share as well as labels do that were spread by points and tags."""


def balanced(scenes: Sequence[SceneLabels], shares: np.ndarray, keep: float = 0.0) -> tuple[SceneLabels, ...]:
    """Return ``scenes`` with the labels of weight below 1 chosen and weighed by class; those of weight 1 are given.

    Labels of large flat things spread far and with confidence, those of small or rare things do not: chosen by one
    threshold and weighed by confidence alone they count for less than there is of them, and a network unlearns them.
    So labels are left out whose weight is below ``keep``; of a class whose weights sum to a part s of what they would
    by ``shares`` (K,), the shares of the classes among all points, below s * ``keep``; the surest of each class stay.
    Then the weights of each class are scaled by one factor, after which those of the classes are to each other as
    ``shares``. The largest factor is 1 and none is below 1 / MOST, so that a class of very few guesses does not take
    the weight from all others; given labels gain by it. A class with a share of 0 has the smallest factor.
    """
    mass = _mass(scenes, len(shares))
    if not mass.any():
        return tuple(scenes)
    part = np.divide(mass, shares * mass.sum(), out=np.ones(len(shares)), where=shares > 0)
    surest = np.zeros(len(shares))
    for scene in scenes:
        guessed = _guessed(scene)
        np.maximum.at(surest, scene.label[guessed], _weights(scene)[guessed])
    chosen = [_above(scene, np.minimum(keep * np.minimum(part, 1), surest)) for scene in scenes]
    mass = _mass(chosen, len(shares))
    factor = np.divide(shares, mass, out=np.zeros(len(shares)), where=mass > 0)
    if not factor.any():
        return tuple(chosen)
    least = factor[factor > 0].min()
    factor = np.clip(factor, least, MOST * least)
    factor /= factor.max()
    return tuple(_scaled(scene, factor) for scene in chosen)


def label_shares(scenes: Sequence[SceneLabels], n_classes: int) -> np.ndarray:
    """Return the shares (K,) of the classes among all labels of ``scenes``, of any weight; 0 where there is none."""
    each = (np.bincount(scene.label[scene.label != IGNORE], minlength=n_classes) for scene in scenes)
    count: np.ndarray = sum(each, np.zeros(n_classes))
    return count / max(count.sum(), 1)


def joined_shares(drawn: np.ndarray, scenes: Sequence[SceneLabels]) -> np.ndarray:
    """Return the shares (K,) of the classes, from labels of ``scenes`` spread by points and tags, and ``drawn`` ones.

    ``drawn`` (K,): what the labels of weight 1, drawn at random, tell, scenes weighed by their size
    (:meth:`pcseg.budgets.weak_labels.WeakLabels.shares`). n labels of a class are off by one part in the root of n; its
    share among spread labels is less off than that of a few, where tags say what is around. So a share is the mean of
    the logarithms of both, of which that of the drawn ones has the weight m / (m + SURE): m are the labels of the
    class that were drawn, or that were to be expected, if these are more. With many labels that is ``drawn``. Scenes of
    unequal size count as fewer labels of equal weight would, by Kish's effective sample size.
    """
    spread = label_shares(scenes, len(drawn))
    given = [(scene.points, ((scene.label != IGNORE) & (_weights(scene) == 1)).sum()) for scene in scenes]
    points, labels = np.array([each for each in given if each[1]], dtype=np.float64).reshape(-1, 2).T
    count = points.sum() ** 2 / (points**2 / labels).sum() if len(labels) else 0.0
    most = count * np.maximum(drawn, spread)
    weight = most / (most + SURE)
    least = np.maximum(drawn, 0.5 / max(count, 1.0))  # none was drawn: half a label
    found = np.where(spread > 0, least**weight * spread ** (1 - weight), 0.0)
    return np.asarray(found / (found.sum() or 1.0))


def _mass(scenes: Sequence[SceneLabels], n_classes: int) -> np.ndarray:
    """Return the sum (K,) of the weights below 1 of each class."""
    mass = np.zeros(n_classes)
    for scene in scenes:
        guessed = _guessed(scene)
        mass += np.bincount(scene.label[guessed], _weights(scene)[guessed], minlength=n_classes)
    return mass


def _above(scene: SceneLabels, threshold: np.ndarray) -> SceneLabels:
    """Return ``scene`` without the guessed labels whose weight is below the ``threshold`` (K,) of their class."""
    kept = ~_guessed(scene)
    kept[~kept] = _weights(scene)[~kept] >= threshold[scene.label[~kept]]
    weight = None if scene.weight is None else scene.weight[kept]
    return replace(scene, index=scene.index[kept], label=scene.label[kept], weight=weight)


def _scaled(scene: SceneLabels, factor: np.ndarray) -> SceneLabels:
    guessed, weight = _guessed(scene), _weights(scene)
    smallest = np.finfo(np.float16).smallest_subnormal
    weight[guessed] = np.maximum(weight[guessed] * factor[scene.label[guessed]], smallest)
    return replace(scene, weight=weight.astype(np.float16))


def _guessed(scene: SceneLabels) -> np.ndarray:
    return (scene.label != IGNORE) & (_weights(scene) < 1)


def _weights(scene: SceneLabels) -> np.ndarray:
    return np.ones(len(scene.label)) if scene.weight is None else scene.weight.astype(np.float64)
