"""Spread the labels of scenes in folders, with a forest that learns from the labels of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
import torch

from pcseg.budgets.balance import SURE, balanced, joined_shares, label_shares
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.tags import Tags
from pcseg.classes import Classes
from pcseg.engine.kept_scenes import KeptScenes, SeenScene, tags_around
from pcseg.errors import InputError
from pcseg.feeding.computed import with_computed
from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.pseudo import Forest, Spreading
from pcseg.pseudo.descriptors import describe
from pcseg.pseudo.spread import node_labels
from pcseg.pseudo.tagged import allowed_nodes, drawn_of_tags
from pcseg.scenes.scene import Scene, read_scene, scene_name

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
class SceneSpreading:
    """Spreads labels over scenes of ``classes`` by ``spreading``.

    A picture stands upright: its rows are heights, and its pixels take the place of meters.

    ``features``: what a forest sees of a point besides the shape of its surroundings; None: there is no forest.
    ``voxel_size`` in meters is that of computed features. ``at_random``: the labels are a fair sample of the points.
    With ``balance``, ``weighed`` chooses and weighs labels by the shares of the classes among all points, which are
    ``shares`` (K,), or None where the budget does not tell them, and then those among all labels once they are spread;
    with ``tags`` both together (:func:`pcseg.budgets.balance.joined_shares`).
    ``seen``: returns further columns (P, D) that a forest sees of the pixels of a picture (H, W, 3) uint8.
    ``tags``: points have no class that these say is not around them, none where they say that there is none, and
    forests learn from what others would take for each tag (:func:`pcseg.engine.spread_forest.learned_forest`).
    """

    spreading: Spreading
    classes: Classes
    features: Features | None
    voxel_size: float
    at_random: bool
    shares: np.ndarray | None = None
    balance: bool = False
    tags: Tags | None = None
    seen: Callable[[np.ndarray], np.ndarray] | None = None
    _kept: KeptScenes = field(default_factory=KeptScenes, repr=False, compare=False)

    def source(self) -> dict[str, Any]:
        """Return the settings, as JSON."""
        features = None if self.features is None else self.features.to_json()
        shares = None if self.shares is None else self.shares.tolist()
        return {
            **asdict(self.spreading),
            "features": features,
            "feature_voxel_size": self.voxel_size,
            "at_random": self.at_random,
            "balance": self.balance,
            "shares": shares,
            **({} if self.tags is None else {"tags": self.tags.sha256, "sure": SURE}),
        }

    def examples(self, folder: Path, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Return what a forest learns from in a scene, whose ``labels`` are (P,): see Spreading.examples."""
        seen = self._known(folder, labels)
        assert seen.descriptors is not None
        k = len(self.classes)
        found, distances = self.spreading.examples(seen.graph, labels, k, seen.descriptors, self.at_random)
        self._kept.add(folder, replace(seen, distances=distances))
        return found

    def tagged(self, folder: Path) -> np.ndarray:
        """Return the classes (K,) bool that tags say are in a scene; raises InputError without tags."""
        if self._tags is None:
            raise InputError("tags: are missing; give a tag file")
        return self._tags.scene(scene_name(folder)).known

    def drawn(self, folder: Path, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Return what a first forest learns from where tags are all there is: nodes with classes drawn among these.

        ``labels`` (P,) are those of the points: see :func:`pcseg.pseudo.tagged.drawn_of_tags`. Raises InputError
        without tags.
        """
        seen = self._tagged_scene(folder, labels)
        assert seen.around is not None
        assert seen.descriptors is not None
        at_nodes = node_labels(seen.graph, labels, len(self.classes))
        allowed = allowed_nodes(seen.graph, seen.around.allowed, at_nodes)
        nodes, classes = drawn_of_tags(allowed, seed=crc32(scene_name(folder).encode()))
        self._kept.add(folder, seen)
        return {"descriptors": seen.descriptors[nodes], "labels": classes}

    def forest(self, examples: Sequence[Mapping[str, np.ndarray]], even: bool = False, guessed: bool = False) -> Forest:
        """Return the forest that learns from the ``examples`` of all scenes, ``even`` as Forest says.

        ``guessed``: most of their labels are guesses; a third of the descriptors are then tried at each node. Raises
        InputError if there is no example.
        """
        every = {name: np.concatenate([each[name] for each in examples]) for name in examples[0]}
        tried = -(-every["descriptors"].shape[1] // 3) if guessed else None
        return Forest(
            every["descriptors"], every["labels"], len(self.classes), every.get("paths"), even=even, tried=tried
        )

    def guesses(self, folder: Path, labels: np.ndarray, forest: Forest) -> dict[str, np.ndarray]:
        """Return what the next forest learns besides the ``examples``: what ``forest`` would take for each tag.

        ``labels`` (P,) are those of the points of the scene: see Spreading.guesses. Raises InputError without tags.
        """
        seen = self._tagged_scene(folder, labels)
        assert seen.around is not None
        assert seen.descriptors is not None
        found, distances = self.spreading.guesses(
            seen.graph,
            labels,
            len(self.classes),
            self.at_random,
            forest,
            seen.descriptors,
            seen.distances,
            seen.around.allowed,
            seen.around.parts,
        )
        self._kept.add(folder, replace(seen, distances=distances))
        return found

    def __call__(
        self, folder: Path, labels: np.ndarray, forest: Forest | None, network: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return label and confidence (P,) of the points of a scene, as :class:`pcseg.pseudo.Spreading` does.

        With ``balance``, ``weighed`` chooses among them once all scenes are there.
        """
        seen, k = self._known(folder, labels), len(self.classes)
        spreading = replace(self.spreading, keep=0.0) if self.balance else self.spreading
        allowed = None if seen.around is None else seen.around.allowed
        return spreading(seen.graph, labels, k, network, forest, seen.descriptors, seen.distances, allowed)

    def weighed(self, scenes: Sequence[SceneLabels]) -> tuple[SceneLabels, ...]:
        """Return the labels of all scenes; with ``balance`` as :func:`pcseg.budgets.balance.balanced` chooses them."""
        if not self.balance:
            return tuple(scenes)
        if self.shares is None:
            shares = label_shares(scenes, len(self.classes))
        else:
            shares = self.shares if self.tags is None else joined_shares(self.shares, scenes)
        return balanced(scenes, shares, self.spreading.keep)

    def _known(self, folder: Path, labels: np.ndarray) -> SeenScene:
        """Return what is known of a scene whose labels are (P,); it is then kept no more."""
        seen = self._kept.pop(folder)
        if seen is None:
            return self._made(folder, labels)
        return seen if np.array_equal(seen.labels, labels) else replace(seen, labels=labels, distances=None)

    def _tagged_scene(self, folder: Path, labels: np.ndarray) -> SeenScene:
        if self.tags is None:
            raise InputError("tags: are missing; give a tag file")
        return self._known(folder, labels)

    @cached_property
    def _tags(self) -> Tags | None:
        return None if self.tags is None else self.tags.ordered(self.classes)

    def _made(self, folder: Path, labels: np.ndarray) -> SeenScene:
        """Return the graph of a scene, the descriptors of its nodes, and what tags say of it."""
        wanted = {*self.spreading.costs.attributes, *(() if self.features is None else self.features.columns)}
        scene = read_scene(folder, self.classes, with_labels=False, columns=sorted(wanted))
        upright = scene.coord if scene.size is None else scene.coord[:, [0, 2, 1]]  # a picture's are (column, -row, 0)
        try:
            graph = self.spreading.graph(upright, scene.attributes)
        except InputError as error:
            raise InputError(f"{folder}: {error}") from error
        around = None if self._tags is None else tags_around(self._tags.scene(scene.name), scene, graph)
        if self.features is None:
            return SeenScene(graph, None, around, labels)
        return SeenScene(
            graph, describe(graph, graph.mean(self._columns(scene, folder, self.features))), around, labels
        )

    def _columns(self, scene: Scene, folder: Path, features: Features) -> np.ndarray:
        features.check(scene.name, scene.attributes)
        found = features(make_points(with_computed(features, scene, folder, self.voxel_size)))
        return found if self.seen is None else np.concatenate([found, self.seen(scene.image)], axis=1)
