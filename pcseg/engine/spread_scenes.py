"""Spread the labels of scenes in folders, with a forest that learns from the labels of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.budgets.balance import balanced
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.feeding.computed import with_computed
from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.pseudo import Forest, Spreading, SurfaceGraph
from pcseg.pseudo.descriptors import describe
from pcseg.scenes.scene import Scene, read_scene

VOXEL_SIZE = 0.05
"""Meters, by which strays are told from a scan where no other size is given."""

KEPT = 2_000_000
"""Nodes whose graph and descriptors are kept between learning and spreading, so that they are made once: 1 GB."""


@dataclass(frozen=True)
class SceneSpreading:
    """Spreads labels over scenes of ``classes`` by ``spreading``.

    ``features``: what a forest sees of a point besides the shape of its surroundings; None: there is no forest.
    ``voxel_size`` in meters is that of computed features. ``at_random``: the labels are a fair sample of the points.
    ``shares`` (K,): those of the classes among all points, by which ``weighed`` chooses and weighs labels; None: they
    are not known, and labels are chosen by ``spreading.keep`` alone.
    """

    spreading: Spreading
    classes: Classes
    features: Features | None
    voxel_size: float
    at_random: bool
    shares: np.ndarray | None = None
    _kept: dict[Path, tuple[SurfaceGraph, np.ndarray | None]] = field(default_factory=dict, repr=False, compare=False)

    def source(self) -> dict[str, Any]:
        """Return the settings, as JSON."""
        features = None if self.features is None else self.features.to_json()
        shares = None if self.shares is None else self.shares.tolist()
        return {**asdict(self.spreading), "features": features, "at_random": self.at_random, "shares": shares}

    def examples(self, folder: Path, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Return what a forest learns from in a scene, whose ``labels`` are (P,): see Spreading.examples."""
        graph, descriptors = self._seen(folder)
        assert descriptors is not None
        return self.spreading.examples(graph, labels, len(self.classes), descriptors, self.at_random)

    def forest(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Forest:
        """Return the forest that learns from the ``examples`` of all scenes; raises InputError if there is none."""
        every = {name: np.concatenate([each[name] for each in examples]) for name in examples[0]}
        return Forest(every["descriptors"], every["labels"], len(self.classes), every.get("paths"))

    def __call__(
        self, folder: Path, labels: np.ndarray, forest: Forest | None, network: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return label and confidence (P,) of the points of a scene, as :class:`pcseg.pseudo.Spreading` does.

        Where ``shares`` are known, ``weighed`` chooses among them once all scenes are there.
        """
        graph, descriptors = self._kept.pop(folder) if folder in self._kept else self._made(folder)
        spreading = self.spreading if self.shares is None else replace(self.spreading, keep=0.0)
        return spreading(graph, labels, len(self.classes), network, forest, descriptors)

    def weighed(self, scenes: Sequence[SceneLabels]) -> tuple[SceneLabels, ...]:
        """Return the labels of all scenes, chosen and weighed by ``shares``: :func:`pcseg.budgets.balance.balanced`."""
        return tuple(scenes) if self.shares is None else balanced(scenes, self.shares, self.spreading.keep)

    def _seen(self, folder: Path) -> tuple[SurfaceGraph, np.ndarray | None]:
        """Return what ``_made`` does, and keep it for spreading as long as there is room."""
        found = self._made(folder)
        if sum(len(graph) for graph, _ in self._kept.values()) + len(found[0]) <= KEPT:
            self._kept[folder] = found
        return found

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
