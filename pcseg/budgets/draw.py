"""The rules by which a label budget is drawn from full ground truth; each file is drawn once and kept.

A scene's points are put in one random order, which depends on the seed and the scene's name alone, and each rule takes
the first ones it may take. So with one seed every smaller budget is a subset of every larger one of the same rule.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pcseg.budgets.weak_labels import SceneLabels, WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.scenes.scene import Scene

Pick = Callable[[Scene, np.ndarray], np.ndarray]
"""Takes a scene and the random order of its points (P,), and gives the indices to label."""


def draw_uniform(scenes: Iterable[Scene], classes: Classes, fraction: float, seed: int = 0) -> WeakLabels:
    """``max(1, floor(P * fraction))`` points of each scene, uniformly.

    Points without a class are drawn like others: they are spent, and carry no label.
    """
    _check_fraction(fraction)
    return _draw(scenes, classes, "uniform", {"fraction": fraction}, seed, lambda _, order: _share(order, fraction))


def draw_per_class(scenes: Iterable[Scene], classes: Classes, fraction: float, seed: int = 0) -> WeakLabels:
    """``max(1, floor(n_c * fraction))`` of the n_c points of each class in each scene (the rule of PSD and ERDA).

    It tells which classes a scene has, so its figures are not to be set beside those of ``draw_uniform``. Points
    without a class are not drawn.
    """
    _check_fraction(fraction)

    def pick(scene: Scene, order: np.ndarray) -> np.ndarray:
        assert scene.segment is not None
        known = scene.segment[order]
        return _joined([_share(order[known == c], fraction) for c in np.unique(known[known != IGNORE])])

    return _draw(scenes, classes, "per_class", {"fraction": fraction}, seed, pick)


def draw_points(scenes: Iterable[Scene], classes: Classes, points: int, seed: int = 0) -> WeakLabels:
    """``points`` points of each scene, uniformly; points without a class are drawn like others."""
    if points < 1:
        raise InputError(f"points={points}: must be 1 or more")
    return _draw(scenes, classes, "points", {"points": points}, seed, lambda _, order: order[:points])


def draw_clicks(scenes: Iterable[Scene], classes: Classes, seed: int = 0) -> WeakLabels:
    """One point of each object, i.e. of each ``instance`` that has a point with a class (one thing, one click)."""

    def pick(scene: Scene, order: np.ndarray) -> np.ndarray:
        assert scene.segment is not None
        if scene.instance is None:
            raise InputError(f"{scene.name}: has no instance.npy to click objects by; use another rule")
        order = order[(scene.segment[order] != IGNORE) & (scene.instance[order] >= 0)]
        _, first = np.unique(scene.instance[order], return_index=True)
        return order[first]

    return _draw(scenes, classes, "clicks", {}, seed, pick)


def scene_order(seed: int, scene_name: str, count: int) -> np.ndarray:
    """The random order of a scene's points (P,): a function of the seed and the scene's name alone."""
    if seed < 0:
        raise InputError(f"seed={seed}: must be 0 or more")
    name = int.from_bytes(hashlib.sha256(scene_name.encode(errors="surrogateescape")).digest()[:8], "little")
    return np.random.default_rng([seed, name]).permutation(count)


def labeled(scene: Scene, classes: Classes, index: np.ndarray) -> SceneLabels:
    """The entry of a label file that tells the true classes of the points ``index`` of ``scene``."""
    return SceneLabels(scene.name, len(scene), scene.digest(), index, true_labels(scene, classes)[index])


def true_labels(scene: Scene, classes: Classes) -> np.ndarray:
    """``scene.segment``; raises InputError where the scene was never labeled or is of other classes."""
    if scene.classes != classes.names:
        raise InputError(f"{scene.name}: was not read with the classes {', '.join(classes.names)}")
    if scene.segment is None:
        raise InputError(f"{scene.name}: has no segment.npy to draw labels from; click points and use the csv rule")
    return scene.segment


def _draw(
    scenes: Iterable[Scene], classes: Classes, rule: str, parameters: dict[str, Any], seed: int, pick: Pick
) -> WeakLabels:
    entries = []
    for scene in scenes:
        true_labels(scene, classes)
        entries.append(labeled(scene, classes, pick(scene, scene_order(seed, scene.name, len(scene)))))
    return WeakLabels(classes.names, rule, parameters, seed, tuple(entries))


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction <= 1:
        raise InputError(f"fraction={fraction:g}: must be above 0 and at most 1 (0.01 is 1 %)")


def _share(order: np.ndarray, fraction: float) -> np.ndarray:
    """The first ``max(1, floor(n * fraction))``; the tiny term keeps 100 * 0.29 from becoming 28."""
    return order[: max(1, math.floor(len(order) * fraction + 1e-9))]


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])
