"""Spread the few labels of a scan to its other points, each with a confidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from pcseg.checks import above_zero, at_least_zero, from_zero_to_one
from pcseg.classes import IGNORE
from pcseg.defaults import BETA, LEAK, REACH, SMOOTH
from pcseg.errors import InputError
from pcseg.ops.walk import LEAST_LEAK
from pcseg.pseudo.forest import Forest
from pcseg.pseudo.graph import EdgeCosts, SurfaceGraph, surface_graph
from pcseg.pseudo.spreading import class_distances, left_out_distances, path_probabilities, random_walk
from pcseg.pseudo.tagged import allowed_nodes, among, surest_of_tags

RULES = ("paths", "walk")

_LEAST = 0.02
"""Of the walks that even labels out: lower ones take longer and gain nothing (measured from 20 points a room)."""


@dataclass(frozen=True)
class Spreading:
    """Spreads labels over the surface of a scan.

    ``rule``: "paths", by the cheapest paths to each class (:func:`pcseg.pseudo.spreading.path_probabilities`;
    ``offset`` and ``power`` are its own), or "walk", by the labels at which random walks end
    (:func:`pcseg.pseudo.spreading.random_walk`; ``beta`` and ``leak``). ``keep``: labels of a smaller confidence are
    left out. ``reach``: cost of the path to the nearest label at which paths and a forest count alike.
    ``smooth``: even out what both say, in scans with colors, whose edges hold back where a class ends: by random walks
    whose leak is ``smooth`` times the share of the labeled nodes (at least 0.02, as where tags alone are given), so
    that at 100 they go a tenth of the way to the next label; the higher, the shorter, and 0 not at all. ``costs``,
    ``voxel_size`` and ``neighbors`` make the graph (:func:`pcseg.pseudo.graph.surface_graph`). Raises InputError for
    values out of range.
    """

    rule: str = "paths"
    costs: EdgeCosts = field(default_factory=EdgeCosts)
    voxel_size: float | None = None
    neighbors: int = 10
    offset: float = 0.3
    power: float = 2.0
    beta: float = BETA
    leak: float = LEAK
    reach: float = REACH
    smooth: float = SMOOTH
    keep: float = 0.5

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise InputError(f"rule={self.rule}: must be one of {', '.join(RULES)}")
        above_zero(**{name: getattr(self, name) for name in ("offset", "power", "beta", "leak", "reach")})
        from_zero_to_one(keep=self.keep)
        at_least_zero(smooth=self.smooth)
        if self.leak < LEAST_LEAK:
            raise InputError(f"leak={self.leak:g}: give {LEAST_LEAK:g} or more")
        if self.voxel_size is not None:
            above_zero(voxel_size=self.voxel_size)
        if self.neighbors < 1:
            raise InputError(f"neighbors={self.neighbors}: give 1 or more")

    def graph(self, coord: np.ndarray, attributes: Mapping[str, np.ndarray]) -> SurfaceGraph:
        """Return the graph of points ``coord`` (P, 3) with ``attributes`` (P, ...) by name."""
        return surface_graph(coord, attributes, self.costs, self.voxel_size, self.neighbors)

    def examples(
        self, graph: SurfaceGraph, labels: np.ndarray, n_classes: int, descriptors: np.ndarray, at_random: bool
    ) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Return what a Forest learns from: ``descriptors`` (n, D), ``paths`` and ``labels`` (n,) of labeled nodes.

        ``labels`` (P,); ``descriptors`` (N, D) of the nodes (:func:`pcseg.pseudo.describe`). If labels are drawn
        ``at_random``, ``paths`` (n, K) are what paths from all other labels say of each, and the forest learns how far
        to trust them. The only label of an object, left out, says nothing of that: else there are no ``paths``, and
        paths and forest are joined by ``reach``. Second, the ``distances`` (N, K) that were found on the way, if any.
        """
        at_nodes = node_labels(graph, labels, n_classes)
        known = at_nodes != IGNORE
        found = {"descriptors": descriptors[known], "labels": at_nodes[known]}
        if self._learns_paths(at_random):
            distances, alone = left_out_distances(graph, at_nodes, n_classes)
            return {**found, "paths": self._paths(alone)}, distances
        return found, None

    def guesses(
        self,
        graph: SurfaceGraph,
        labels: np.ndarray,
        n_classes: int,
        at_random: bool,
        forest: Forest,
        descriptors: np.ndarray,
        distances: np.ndarray | None,
        allowed: np.ndarray,
        parts: Iterable[tuple[np.ndarray, np.ndarray]],
    ) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Return what the next Forest learns besides the ``examples``: nodes that ``forest`` would take for each tag.

        ``parts``: nodes (m,) of each sub-cloud and the classes (K,) bool that tags say are in it
        (:func:`pcseg.pseudo.tagged.surest_of_tags`). The rest, and what is second, as in ``examples``.
        """
        at_nodes = node_labels(graph, labels, n_classes)
        if distances is None and self.rule == "paths":
            distances = class_distances(graph, at_nodes, n_classes)
        share = self.node_probabilities(graph, labels, n_classes, None, forest, descriptors, distances, allowed)
        nodes, classes = surest_of_tags(share, at_nodes, parts)
        found = {"descriptors": descriptors[nodes], "labels": classes}
        if self._learns_paths(at_random) and distances is not None:
            found["paths"] = self._paths(distances[nodes])
        return found, distances

    def _learns_paths(self, at_random: bool) -> bool:
        return at_random and self.rule == "paths"

    def __call__(
        self,
        graph: SurfaceGraph,
        labels: np.ndarray,
        n_classes: int,
        network: np.ndarray | None = None,
        forest: Forest | None = None,
        descriptors: np.ndarray | None = None,
        distances: np.ndarray | None = None,
        allowed: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a label (P,) int64, IGNORE where none is kept, and its confidence (P,) float32 in [0, 1].

        ``labels`` (P,): those given, IGNORE elsewhere; they are kept, with confidence 1. For the others see
        ``node_probabilities``.
        """
        share = self.node_probabilities(graph, labels, n_classes, network, forest, descriptors, distances, allowed)
        label, confidence, given = share.argmax(axis=1)[graph.node], share.max(axis=1)[graph.node], labels != IGNORE
        kept = (confidence > 0) & (confidence >= self.keep)
        label = np.where(given, labels, np.where(kept, label, IGNORE))
        return label, np.where(given, 1, np.where(kept, confidence, 0)).astype(np.float32)

    def node_probabilities(
        self,
        graph: SurfaceGraph,
        labels: np.ndarray,
        n_classes: int,
        network: np.ndarray | None = None,
        forest: Forest | None = None,
        descriptors: np.ndarray | None = None,
        distances: np.ndarray | None = None,
        allowed: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the probabilities (N, K) float32 of the nodes; 0 where nothing is known.

        ``labels`` (P,): those given, IGNORE elsewhere. ``forest`` learned from ``examples`` with such ``descriptors``;
        ``distances``: those that ``examples`` found. ``network`` (P, K): the probabilities of a network, averaged with
        those of the labels (:func:`averaged`). ``allowed`` (P, K) bool: the classes that a point may have, as tags tell
        (:func:`pcseg.pseudo.tagged.allowed_nodes`).
        """
        at_nodes = node_labels(graph, labels, n_classes)
        may = None if allowed is None else allowed_nodes(graph, allowed, at_nodes)
        if forest is None or descriptors is None:
            share = self.probabilities(graph, at_nodes, n_classes)
        else:
            share = self._joined(graph, at_nodes, n_classes, forest, descriptors, distances, may)
        if network is not None:
            share = averaged(share, graph.mean(network), at_nodes)
        return share if may is None else among(share, may)

    def probabilities(self, graph: SurfaceGraph, labels: np.ndarray, n_classes: int) -> np.ndarray:
        """Return the probabilities (N, K) float32 of the nodes, whose ``labels`` are (N,), without a forest."""
        if self.rule == "paths":
            return path_probabilities(class_distances(graph, labels, n_classes), labels, self.offset, self.power)
        share = random_walk(graph, labels, n_classes, self.beta, self.leak)
        return share / np.maximum(share.sum(axis=1, keepdims=True), 1e-6)

    def _joined(
        self,
        graph: SurfaceGraph,
        labels: np.ndarray,
        n_classes: int,
        forest: Forest,
        descriptors: np.ndarray,
        distances: np.ndarray | None,
        may: np.ndarray | None,
    ) -> np.ndarray:
        """Return the probabilities (N, K) float32 of the nodes by labels (N,) and ``forest``."""
        if self.rule == "walk":
            return random_walk(graph, labels, n_classes, self.beta, self.leak, prior=forest(descriptors))
        distances = class_distances(graph, labels, n_classes) if distances is None else distances
        share, known = self._paths(distances), labels != IGNORE
        if forest.learned_paths:
            found = forest(descriptors, share)
        else:
            trust = (self.reach / (self.reach + distances.min(axis=1)))[:, None]
            found = trust * share + (1 - trust) * forest(descriptors)
        found = found if may is None else among(found, may)
        if self.smooth and graph.colored and (known.any() or may is not None):
            leak = max(self.smooth * float(known.mean()), _LEAST)
            walked = random_walk(graph, labels, n_classes, self.beta, leak, prior=found)
            return walked / np.maximum(walked.sum(axis=1, keepdims=True), 1e-6)
        found[known] = np.eye(n_classes, dtype=np.float32)[labels[known]]
        return found

    def _paths(self, distances: np.ndarray) -> np.ndarray:
        none = np.full(len(distances), IGNORE)
        return path_probabilities(distances, none, self.offset, self.power)


def averaged(share: np.ndarray, network: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean (N, K) of spread probabilities ``share``, which count twice, and those of a network.

    Nodes with a label keep ``share``. Where no label reaches a node, so that its ``share`` is 0, the network decides
    alone. With equal weights a network that was trained on such labels drops rare classes; a product makes one that is
    sure of two that are not.
    """
    reached = share.any(axis=1, keepdims=True)
    return np.where((labels != IGNORE)[:, None], share, np.where(reached, (2 * share + network) / 3, network))


def node_labels(graph: SurfaceGraph, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the label (N,) int64 that most of the labeled points of each node have, IGNORE where there is none."""
    given = np.flatnonzero(labels != IGNORE)
    votes = np.bincount(graph.node[given] * n_classes + labels[given], minlength=len(graph) * n_classes)
    votes = votes.reshape(len(graph), n_classes)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), IGNORE)


def smoothed(
    probabilities: np.ndarray,
    coord: np.ndarray,
    attributes: Mapping[str, np.ndarray],
    leak: float,
    voxel_size: float | None = None,
) -> np.ndarray:
    """Return the probabilities (P, K) float32 of a network, evened out over the surface of the scan.

    That of a point becomes the mean over the ends of random walks from it, which stop before each step with
    probability leak / (1 + leak): a smaller ``leak`` smooths more. Edges that turn or change color hold the walks back.
    The graph is that of :class:`Spreading` with nodes of ``voxel_size`` meters. It helps where classes fill surfaces,
    as in rooms, and costs rare classes that do not.
    """
    graph = Spreading(voxel_size=voxel_size).graph(coord, attributes)
    none = np.full(len(graph), IGNORE)
    return random_walk(graph, none, probabilities.shape[1], leak=leak, prior=graph.mean(probabilities))[graph.node]
