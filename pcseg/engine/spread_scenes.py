"""Spread the labels of scenes in folders, with a forest that learns from the labels of all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import torch

from pcseg.budgets.balance import balanced, label_shares
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.tags import SceneTags, Tags
from pcseg.classes import Classes
from pcseg.device import memory
from pcseg.errors import InputError
from pcseg.feeding.computed import with_computed
from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.pseudo import Forest, Spreading, SurfaceGraph
from pcseg.pseudo.descriptors import describe
from pcseg.pseudo.spread import node_labels
from pcseg.pseudo.tagged import allowed_nodes, drawn_of_tags
from pcseg.scenes.scene import Scene, read_scene

Item = TypeVar("Item")
Result = TypeVar("Result")

VOXEL_SIZE = 0.05
"""Meters, by which strays are told from a scan where no other size is given."""

OVERLAPPED = 2_000_000
"""Points of the largest scene of which two are worked on at a time."""


def overlapped(work: Callable[[Item], Result], items: Sequence[Item], points: int) -> Iterator[Result]:
    """Yield ``work(item)`` of each scene, in order, two at a time if the largest has no more points than OVERLAPPED.

    What runs on one core for the one fills the time of the others. With one thread there is one at a time.
    """
    if points > OVERLAPPED or torch.get_num_threads() == 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(2)
    try:
        yield from pool.map(work, items)
    finally:  # after an error, what has not begun does not
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Seen:
    """What is known of a scene after learning: graph, descriptors, labels (P,) and the distances to them, if any."""

    graph: SurfaceGraph
    descriptors: np.ndarray
    labels: np.ndarray
    distances: np.ndarray | None

    def bytes(self) -> int:
        graph, cost = self.graph, self.graph.cost
        arrays = (cost.data, cost.indices, cost.indptr, graph.node, graph.position, graph.normal, self.labels)
        found = sum(array.nbytes for array in (*arrays, self.descriptors))
        return found + (0 if self.distances is None else self.distances.nbytes)


class _Kept:
    """Scenes kept between learning and spreading, so that they are described once, in a quarter of the memory.

    Processes on one machine share it.
    """

    def __init__(self) -> None:
        self.room = memory() // 4 // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        self._scenes: dict[Path, _Seen] = {}
        self._lock = Lock()

    def add(self, folder: Path, seen: _Seen) -> None:
        """Keep what is known of a scene if there is room."""
        with self._lock:
            if seen.bytes() <= self.room:
                self.room -= seen.bytes()
                self._scenes[folder] = seen

    def pop(self, folder: Path) -> _Seen | None:
        """Return what is known of a scene, None if it was not kept."""
        with self._lock:
            seen = self._scenes.pop(folder, None)
            self.room += seen.bytes() if seen else 0
            return seen


@dataclass(frozen=True)
class SceneSpreading:
    """Spreads labels over scenes of ``classes`` by ``spreading``.

    ``features``: what a forest sees of a point besides the shape of its surroundings; None: there is no forest.
    ``voxel_size`` in meters is that of computed features. ``at_random``: the labels are a fair sample of the points.
    With ``balance``, ``weighed`` chooses and weighs labels by the shares of the classes among all points, which are
    ``shares`` (K,), or None where the budget does not tell them, and then those among all labels once they are spread.
    ``tags``: points have no class that these say is not around them, and a second forest learns from what the first
    would take for each tag.
    """

    spreading: Spreading
    classes: Classes
    features: Features | None
    voxel_size: float
    at_random: bool
    shares: np.ndarray | None = None
    balance: bool = False
    tags: Tags | None = None
    _kept: _Kept = field(default_factory=_Kept, repr=False, compare=False)

    def source(self) -> dict[str, Any]:
        """Return the settings, as JSON."""
        features = None if self.features is None else self.features.to_json()
        shares = None if self.shares is None else self.shares.tolist()
        return {
            **asdict(self.spreading),
            "features": features,
            "at_random": self.at_random,
            "balance": self.balance,
            "shares": shares,
            **({} if self.tags is None else {"tags": self.tags.sha256}),
        }

    def examples(self, folder: Path, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Return what a forest learns from in a scene, whose ``labels`` are (P,): see Spreading.examples."""
        graph, descriptors = self._made(folder)
        assert descriptors is not None
        found, distances = self.spreading.examples(graph, labels, len(self.classes), descriptors, self.at_random)
        self._kept.add(folder, _Seen(graph, descriptors, labels, distances))
        return found

    def drawn(self, folder: Path, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Return what a forest learns from in a scene without labels: nodes with classes drawn among its tags.

        ``labels`` (P,): IGNORE. See :func:`pcseg.pseudo.tagged.drawn_of_tags`. Raises InputError without tags.
        """
        graph, descriptors = self._made(folder)
        assert descriptors is not None
        tags, coord = self._tags_of(folder)
        allowed = allowed_nodes(graph, tags.allowed(coord), node_labels(graph, labels, len(self.classes)))
        nodes, classes = drawn_of_tags(allowed)
        self._kept.add(folder, _Seen(graph, descriptors, labels, None))
        return {"descriptors": descriptors[nodes], "labels": classes}

    def forest(self, examples: Sequence[Mapping[str, np.ndarray]], even: bool = False) -> Forest:
        """Return the forest that learns from the ``examples`` of all scenes, ``even`` as Forest says.

        Raises InputError if there is none.
        """
        every = {name: np.concatenate([each[name] for each in examples]) for name in examples[0]}
        return Forest(every["descriptors"], every["labels"], len(self.classes), every.get("paths"), even=even)

    def guesses(self, folder: Path, labels: np.ndarray, forest: Forest) -> dict[str, np.ndarray]:
        """Return what a second forest learns besides the ``examples``: what ``forest`` would take for each tag.

        ``labels`` (P,) are those of the points of the scene: see Spreading.guesses. Raises InputError without tags.
        """
        graph, descriptors, distances = self._known(folder, labels)
        assert descriptors is not None
        tags, coord = self._tags_of(folder)
        found, distances = self.spreading.guesses(
            graph,
            labels,
            len(self.classes),
            self.at_random,
            forest,
            descriptors,
            distances,
            tags.allowed(coord),
            ((np.unique(graph.node[near]), inside) for near, inside in tags.parts(coord)),
        )
        self._kept.add(folder, _Seen(graph, descriptors, labels, distances))
        return found

    def __call__(
        self, folder: Path, labels: np.ndarray, forest: Forest | None, network: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return label and confidence (P,) of the points of a scene, as :class:`pcseg.pseudo.Spreading` does.

        With ``balance``, ``weighed`` chooses among them once all scenes are there.
        """
        graph, descriptors, distances = self._known(folder, labels)
        spreading = replace(self.spreading, keep=0.0) if self.balance else self.spreading
        allowed = None
        if self.tags is not None:
            tags, coord = self._tags_of(folder)
            allowed = tags.allowed(coord)
        return spreading(graph, labels, len(self.classes), network, forest, descriptors, distances, allowed)

    def weighed(self, scenes: Sequence[SceneLabels]) -> tuple[SceneLabels, ...]:
        """Return the labels of all scenes; with ``balance`` as :func:`pcseg.budgets.balance.balanced` chooses them."""
        if not self.balance:
            return tuple(scenes)
        shares = label_shares(scenes, len(self.classes)) if self.shares is None else self.shares
        return balanced(scenes, shares, self.spreading.keep)

    def _known(self, folder: Path, labels: np.ndarray) -> tuple[SurfaceGraph, np.ndarray | None, np.ndarray | None]:
        """Return graph, descriptors and, if found for ``labels``, distances of a scene, which is then kept no more."""
        seen = self._kept.pop(folder)
        if seen is None:
            return (*self._made(folder), None)
        return seen.graph, seen.descriptors, seen.distances if np.array_equal(seen.labels, labels) else None

    @cached_property
    def _tagged(self) -> Tags | None:
        return None if self.tags is None else self.tags.ordered(self.classes)

    def _tags_of(self, folder: Path) -> tuple[SceneTags, np.ndarray]:
        """Return the tags of a scene, and its points (P, 3) in meters as in the raw scan."""
        if self._tagged is None:
            raise InputError("tags: are missing; give a tag file")
        scene = read_scene(folder, self.classes, with_labels=False)
        return self._tagged.scene(scene.name), scene.coord + scene.origin

    def _made(self, folder: Path) -> tuple[SurfaceGraph, np.ndarray | None]:
        """Return the graph of a scene, and the descriptors (N, D) of its nodes."""
        wanted = {*self.spreading.costs.attributes, *(() if self.features is None else self.features.columns)}
        scene = read_scene(folder, self.classes, with_labels=False, columns=sorted(wanted))
        try:
            graph = self.spreading.graph(scene.coord, scene.attributes)
        except InputError as error:
            raise InputError(f"{folder}: {error}") from error
        if self.features is None:
            return graph, None
        return graph, describe(graph, graph.mean(self._columns(scene, folder, self.features)))

    def _columns(self, scene: Scene, folder: Path, features: Features) -> np.ndarray:
        features.check(scene.name, scene.attributes)
        return features(make_points(with_computed(features, scene, folder, self.voxel_size)))
