"""Draw a budget of labels or tags from full ground truth; each file is drawn once and kept.

Only the modules that draw and import budgets may read the ground truth of training scenes. A scene's points have one
random order, a function of the seed and the scene's name; each rule takes the first points it may take. So with the
same seed every smaller budget is a subset of every larger one of the same rule.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pcseg.budgets.order import check_seed, scene_order
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.tags import NO_BALLS, SceneTags, Tags, tag_row
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.scenes.scene import Scene

ATTEMPTS = 1000
"""Choices of scenes that are tried for one in which every class occurs."""

Pick = Callable[[Scene, np.ndarray], np.ndarray]
"""Function of a scene and the random order of its points (P,); returns the indices (n,) of the points to label."""


def draw_uniform(scenes: Iterable[Scene], classes: Classes, fraction: float, seed: int = 0) -> WeakLabels:
    """Label ``max(1, floor(P * fraction))`` of the P points of each scene, uniformly.

    Points without a class are drawn like others: they are spent, and carry no label.
    """
    _check_fraction(fraction)
    return _draw(scenes, classes, "uniform", {"fraction": fraction}, seed, lambda _, order: _share(order, fraction))


def draw_per_class(scenes: Iterable[Scene], classes: Classes, fraction: float, seed: int = 0) -> WeakLabels:
    """Label ``max(1, floor(n_c * fraction))`` of the n_c points of each class in each scene.

    This is the rule of PSD and ERDA. It reveals which classes a scene has, so do not compare scores with those of
    ``draw_uniform``. Points without a class are not drawn.
    """
    _check_fraction(fraction)

    def pick(scene: Scene, order: np.ndarray) -> np.ndarray:
        assert scene.segment is not None
        known = scene.segment[order]
        return _joined([_share(order[known == c], fraction) for c in np.unique(known[known != IGNORE])])

    return _draw(scenes, classes, "per_class", {"fraction": fraction}, seed, pick)


def draw_points(scenes: Iterable[Scene], classes: Classes, points: int, seed: int = 0) -> WeakLabels:
    """Label ``points`` points of each scene, uniformly; points without a class are drawn like others."""
    if points < 1:
        raise InputError(f"points={points}: must be 1 or more")
    return _draw(scenes, classes, "points", {"points": points}, seed, lambda _, order: order[:points])


def draw_clicks(scenes: Iterable[Scene], classes: Classes, seed: int = 0) -> WeakLabels:
    """Label one point of each object: of each ``instance`` that has a point with a class (one thing, one click)."""

    def pick(scene: Scene, order: np.ndarray) -> np.ndarray:
        assert scene.segment is not None
        if scene.instance is None:
            raise InputError(f"{scene.name}: has no instance.npy to click objects by; use another rule")
        order = order[(scene.segment[order] != IGNORE) & (scene.instance[order] >= 0)]
        _, first = np.unique(scene.instance[order], return_index=True)
        return order[first]

    return _draw(scenes, classes, "clicks", {}, seed, pick)


def draw_scenes(
    scenes: Iterable[Scene],
    classes: Classes,
    names: Sequence[str],
    count: int | None = None,
    fraction: float | None = None,
    seed: int = 0,
    holds: Mapping[str, np.ndarray] | None = None,
) -> WeakLabels:
    """Label all points of some scenes and none of the others: the protocol of few labeled and many unlabeled scenes.

    ``names`` are those of all ``scenes``. Give ``count``, the number of labeled scenes (0 labels none, for training
    from tags), or ``fraction``, of which ``max(1, floor(S * fraction))`` of S scenes follow. The unlabeled scenes are
    in the file without points. ``holds``: the classes in each scene (K,) bool, as classes_held gives them; the scenes
    are then drawn again, at most ATTEMPTS times, until every class of any scene is in a labeled one. How often is
    among the parameters. Such budgets of other sizes need not be parts of each other.
    """
    check_seed(seed)
    if (count is None) == (fraction is None):
        raise InputError(f"scenes={count}, fraction={fraction}: give one of them")
    parameters: dict[str, Any] = {"scenes": count} if fraction is None else {"fraction": fraction}
    if fraction is not None:
        _check_fraction(fraction)
        count = _part(len(names), fraction)
    if count is None or not 0 <= count <= len(names):
        raise InputError(f"scenes={count}: must be from 0 to {len(names)}, the number of scenes")

    chosen = _chosen(names, count, str(seed))
    if holds is not None:
        chosen, draws = _with_every_class(names, count, seed, holds, classes)
        parameters |= {"every_class": True, "draws": draws}
    return _draw(scenes, classes, "scenes", parameters, seed, lambda s, order: order if s.name in chosen else order[:0])


def classes_held(scenes: Iterable[Scene], classes: Classes) -> dict[str, np.ndarray]:
    """Return, for each scene by its name, the classes (K,) bool that have a point there."""
    return {scene.name: _present(true_labels(scene, classes), classes) for scene in scenes}


def draw_tags(
    scenes: Iterable[Scene], classes: Classes, seed: int = 0, radius: float | None = None, points: int = 20
) -> Tags:
    """Return the classes present in each scene or, with ``radius``, in ``points`` sub-clouds of each scene.

    A sub-cloud is the part of a scene within ``radius`` meters of a seed point; seed points are drawn uniformly. Both
    are the weak labels of Wei et al., Multi-Path Region Mining, CVPR 2020 (scene-level and subcloud-level).
    """
    if radius is None:
        known = (SceneTags(scene.name, _present(true_labels(scene, classes), classes)) for scene in scenes)
        return Tags(classes.names, "tags", {}, None, tuple(known))
    if not 0 < radius < math.inf or points < 1:
        raise InputError(f"radius={radius:g}, points={points}: give a radius above 0, in meters, and 1 point or more")
    entries = tuple(_sub_clouds(scene, classes, seed, radius, points) for scene in scenes)
    return Tags(classes.names, "tags", {"radius": radius, "points": points}, seed, entries)


def labeled(scene: Scene, classes: Classes, index: np.ndarray) -> SceneLabels:
    """Return the true labels of the points ``index`` (n,) of ``scene``, as an entry of a label file."""
    return SceneLabels(scene.name, len(scene), scene.digest(), index, true_labels(scene, classes)[index])


def true_labels(scene: Scene, classes: Classes) -> np.ndarray:
    """Return ``scene.segment`` (P,); raises InputError if the scene was never labeled or has other classes."""
    if scene.classes != classes.names:
        raise InputError(f"{scene.name}: was not read with the classes {', '.join(classes.names)}")
    if scene.segment is None:
        raise InputError(
            f"{scene.name}: has no segment.npy to draw labels from; click points and use the csv rule, or train on "
            "what other scenes have, without a label file"
        )
    return scene.segment


def _draw(
    scenes: Iterable[Scene], classes: Classes, rule: str, parameters: dict[str, Any], seed: int, pick: Pick
) -> WeakLabels:
    entries = []
    for scene in scenes:
        true_labels(scene, classes)
        entries.append(labeled(scene, classes, pick(scene, scene_order(seed, scene.name, len(scene)))))
    return WeakLabels(classes.names, rule, parameters, seed, tuple(entries))


def _chosen(names: Sequence[str], count: int, seed: str) -> set[str]:
    """Return the ``count`` names whose hashes with ``seed`` are the smallest."""

    def key(name: str) -> bytes:
        return hashlib.sha256(f"{seed} {name}".encode(errors="surrogateescape")).digest()

    return set(sorted(names, key=key)[:count])


def _with_every_class(
    names: Sequence[str], count: int, seed: int, holds: Mapping[str, np.ndarray], classes: Classes
) -> tuple[set[str], int]:
    """Return scenes in which every class of any of ``names`` occurs, and the number of draws; the first is _chosen's
    of the seed alone.
    """
    wanted = np.any([holds[name] for name in names], axis=0)
    lacking = wanted
    for attempt in range(ATTEMPTS):
        chosen = _chosen(names, count, f"{seed}.{attempt}" if attempt else str(seed))
        missing = wanted & ~np.any([holds[name] for name in chosen], axis=0) if chosen else wanted
        if not missing.any():
            return chosen, attempt + 1
        lacking = min(lacking, missing, key=np.count_nonzero)
    absent = ", ".join(np.array(classes.names)[lacking])
    raise InputError(
        f"scenes={count}: in none of {ATTEMPTS} draws did they hold every class (the best lacked {absent}); label more "
        "scenes, or leave out every_class=true"
    )


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction <= 1:
        raise InputError(f"fraction={fraction:g}: must be above 0 and at most 1 (0.01 is 1 %)")


def _share(order: np.ndarray, fraction: float) -> np.ndarray:
    """Return the first ``max(1, floor(n * fraction))`` of ``order`` (n,)."""
    return order[: _part(len(order), fraction)]


def _part(total: int, fraction: float) -> int:
    """Return ``max(1, floor(total * fraction))``; the tiny term keeps 100 * 0.29 from becoming 28."""
    return max(1, math.floor(total * fraction + 1e-9))


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _present(labels: np.ndarray, classes: Classes) -> np.ndarray:
    """Return (K,) bool: the classes that have a point among ``labels``."""
    return tag_row(np.unique(labels[labels != IGNORE]), len(classes))


def _sub_clouds(scene: Scene, classes: Classes, seed: int, radius: float, points: int) -> SceneTags:
    if scene.size is not None:
        raise InputError(f"{scene.name}: {NO_BALLS}")
    segment = true_labels(scene, classes)
    seeds = scene.coord[scene_order(seed, scene.name, len(scene))[:points]]
    balls = (np.linalg.norm(scene.coord - center, axis=1) <= radius for center in seeds)
    inside = np.array([_present(segment[ball], classes) for ball in balls])
    return SceneTags(scene.name, tag_row([], len(classes)), seeds + scene.origin, np.full(len(seeds), radius), inside)
