"""Keep labels spread over the surface of a scan while clicks come and go, each at the cost of what it changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from pcseg.classes import IGNORE
from pcseg.pseudo.graph import SurfaceGraph
from pcseg.pseudo.spreading import path_probabilities

NONE = 255
"""The label of a node that no class reaches, in bytes."""

SURE = 0.999
"""Largest confidence of a spread label; that of a person's is 1."""

FIRST = 8.0
"""Cost up to which the surroundings of a new label are searched first; then eight times as far, as long as it wins."""


class SpreadLabels:
    """The labels of N nodes as they spread by the cheapest paths from the labeled ones.

    ``label`` (N,) uint8: the class with the cheapest path, NONE where none leads there. ``confidence`` (N,) float32:
    its probability by :func:`pcseg.pseudo.spreading.path_probabilities`, times ``reach`` / (``reach`` + the cost of its
    path); 1 at labeled nodes. After any sequence of ``change`` both are, bit for bit, those of the same labels spread
    at once.
    """

    def __init__(self, graph: SurfaceGraph, n_classes: int, reach: float) -> None:
        self.graph, self.reach = graph, np.float32(reach)
        self._cost = csr_array(
            (graph.cost.data.astype(np.float64), graph.cost.indices, graph.cost.indptr), graph.cost.shape
        )
        self._distance = np.full((len(graph), n_classes), np.inf)  # float64: of two paths the same one always wins
        self._points: dict[int, dict[int, int]] = {}
        self._used = np.zeros(0, dtype=np.int64)
        self.given = np.full(len(graph), IGNORE, dtype=np.int64)
        self.label = np.full(len(graph), NONE, dtype=np.uint8)
        self.confidence = np.zeros(len(graph), dtype=np.float32)

    def change(self, classes: Mapping[int, int | None]) -> np.ndarray:
        """Give points their classes, None for no label any more; return the nodes (n,) that may have changed.

        A node has the class of most of its labeled points, the first of those that tie.
        """
        nodes = self._vote(classes)
        before = self.given[nodes]
        for node in nodes:
            votes = np.bincount(list(self._points.get(node, {}).values()) or [0])
            self.given[node] = votes.argmax() if node in self._points else IGNORE
        after = self.given[nodes]
        moved = nodes[before != after]
        touched = np.zeros(len(self.graph), dtype=bool)
        touched[moved] = True
        for k in np.unique(before[(before != after) & (before != IGNORE)]):
            self._again(int(k), touched)
        lost = set(before[before != after].tolist())
        for k in np.unique(after[(before != after) & (after != IGNORE)]):
            if int(k) not in lost:
                self._add(int(k), nodes[(before != after) & (after == k)], touched)
        used = np.unique(self.given[self.given != IGNORE])
        if not np.array_equal(used, self._used):
            self._used, touched[:] = used, True  # of sums over more classes, or fewer, the last bit may differ
        rows = np.flatnonzero(touched)
        self._label(rows)
        return rows

    def _vote(self, classes: Mapping[int, int | None]) -> np.ndarray:
        """Note the classes of points at their nodes, and return those nodes."""
        points = np.fromiter(classes, dtype=np.int64, count=len(classes))
        nodes = self.graph.node[points]
        for point, node, k in zip(points.tolist(), nodes.tolist(), classes.values(), strict=True):
            own = self._points.setdefault(node, {})
            if k is None:
                own.pop(point, None)
            else:
                own[point] = k
            if not own:
                del self._points[node]
        return np.unique(nodes)

    def _again(self, k: int, touched: np.ndarray) -> None:
        """Find the cheapest paths to a class anew."""
        own = np.flatnonzero(self.given == k)
        found = dijkstra(self._cost, indices=own, min_only=True) if len(own) else np.full(len(self.graph), np.inf)
        touched |= found != self._distance[:, k]
        self._distance[:, k] = found

    def _add(self, k: int, seeds: np.ndarray, touched: np.ndarray) -> None:
        """Find the cheapest paths to further nodes of a class: only as far as they are cheaper than those known."""
        old = self._distance[:, k]
        limit = FIRST if np.isfinite(old).any() else np.inf
        while True:
            new = dijkstra(self._cost, indices=seeds, min_only=True, limit=limit)
            won = np.flatnonzero(new < old)
            if not self._goes_on(new, won, old, limit):
                break
            limit *= 8
        touched[won] = True
        self._distance[won, k] = new[won]

    def _goes_on(self, new: np.ndarray, won: np.ndarray, old: np.ndarray, limit: float) -> bool:
        """Return whether a path of more than ``limit`` through the nodes won so far may win another one."""
        if not np.isfinite(limit):
            return False
        start, count = self._cost.indptr[won], np.diff(self._cost.indptr)[won]
        edges = np.repeat(start - np.cumsum(count) + count, count) + np.arange(count.sum())
        there, path = self._cost.indices[edges], np.repeat(new[won], count) + self._cost.data[edges]
        return bool(((path > limit) & (path < old[there])).any())

    def _label(self, rows: np.ndarray) -> None:
        """Set label and confidence of some nodes by their distances."""
        used = self._used
        if not len(used):
            self.label[rows], self.confidence[rows] = NONE, 0
            return
        distance, given = self._distance[rows][:, used].astype(np.float32), self.given[rows]
        share = path_probabilities(distance, np.where(given == IGNORE, IGNORE, np.searchsorted(used, given)))
        label, sure = used[share.argmax(axis=1)], share.max(axis=1)
        nearest = distance.min(axis=1)
        trust = np.where(given != IGNORE, 1, self.reach / (self.reach + nearest)).astype(np.float32)
        self.label[rows] = np.where(sure > 0, label, NONE)
        self.confidence[rows] = sure * trust

    def point_labels(self, labels: Mapping[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the label (P,) int64 of each point, -1 for none, and its confidence (P,) float32: 1 for ``labels``."""
        node = self.graph.node
        label = np.where(self.label == NONE, -1, self.label.astype(np.int64))[node]
        sure = np.minimum(self.confidence, np.float32(SURE))[node]
        points = np.fromiter(labels, dtype=np.int64)
        label[points], sure[points] = list(labels.values()), 1
        return label, sure

    def load(self, labels: Mapping[int, int]) -> None:
        """Give all ``labels``, class by point, at once."""
        self.change(dict(labels))


def bytes_of(values: np.ndarray) -> np.ndarray:
    """Return numbers from 0 to 1 as bytes from 0 to 255."""
    return np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)


def counts(labels: Iterable[int], n_classes: int) -> list[int]:
    """Return how many labels there are of each class."""
    found: list[int] = np.bincount(np.fromiter(labels, dtype=np.int64), minlength=n_classes).tolist()
    return found
