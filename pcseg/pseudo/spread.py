"""Spread the few labels of a scan to its other points, each with a confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo.graph import EdgeCosts, SurfaceGraph, surface_graph
from pcseg.pseudo.spreading import class_distances, nearest_class, random_walk

RULES = ("walk", "paths")


@dataclass(frozen=True)
class Spreading:
    """Spreads labels over the surface of a scan.

    ``rule``: "walk", the probability that a random walk ends at a label of the class
    (:func:`pcseg.pseudo.spreading.random_walk`, ``beta`` and ``leak`` are its own), or "paths", the margin between the
    two classes that the cheapest paths lead to (``offset``). ``keep``: labels of a smaller confidence are left out.
    ``costs``, ``voxel_size`` and ``neighbors`` make the graph (:func:`pcseg.pseudo.graph.surface_graph`).
    Raises InputError for values out of range.
    """

    rule: str = "walk"
    costs: EdgeCosts = field(default_factory=EdgeCosts)
    voxel_size: float | None = None
    neighbors: int = 10
    beta: float = 3.0
    leak: float = 1e-3
    offset: float = 0.3
    keep: float = 0.5

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise InputError(f"rule={self.rule}: must be one of {', '.join(RULES)}")
        for name in ("beta", "leak", "offset"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name}={getattr(self, name)}: give a number above 0")
        if not 0 <= self.keep <= 1:
            raise InputError(f"keep={self.keep}: give a confidence from 0 to 1")

    def graph(self, coord: np.ndarray, attributes: Mapping[str, np.ndarray]) -> SurfaceGraph:
        """Return the graph of points ``coord`` (P, 3) with ``attributes`` (P, ...) by name."""
        return surface_graph(coord, attributes, self.costs, self.voxel_size, self.neighbors)

    def __call__(
        self, graph: SurfaceGraph, labels: np.ndarray, n_classes: int, prior: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a label (P,) int64, IGNORE where none is kept, and its confidence (P,) float32 in [0, 1].

        ``labels`` (P,): those given, IGNORE elsewhere; they are kept, with confidence 1. ``prior`` (P, K):
        probabilities of a network, which the walk falls back on. Raises InputError for a prior with the rule "paths".
        """
        if prior is not None and self.rule != "walk":
            raise InputError(f"rule={self.rule}: takes no probabilities of a network; use rule=walk")
        at_nodes = node_labels(graph, labels, n_classes)
        if self.rule == "paths":
            label, confidence = nearest_class(class_distances(graph, at_nodes, n_classes), self.offset)
        else:
            mean = None if prior is None else graph.mean(prior)
            share = random_walk(graph, at_nodes, n_classes, self.beta, self.leak, mean)
            label, confidence = share.argmax(axis=1), share.max(axis=1)
        label = np.where(confidence >= max(self.keep, 1e-4), label, IGNORE)[graph.node]
        confidence = np.where(label != IGNORE, confidence[graph.node], 0)
        given = labels != IGNORE
        return np.where(given, labels, label), np.where(given, 1, confidence).astype(np.float32)


def node_labels(graph: SurfaceGraph, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the label (N,) int64 that most of the labeled points of each node have, IGNORE where there is none."""
    given = np.flatnonzero(labels != IGNORE)
    votes = np.bincount(graph.node[given] * n_classes + labels[given], minlength=len(graph) * n_classes)
    votes = votes.reshape(len(graph), n_classes)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), IGNORE)
