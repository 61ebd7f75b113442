"""Advise where to click next, and which labels to look at again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from pcseg.annotation.spread import NONE, SpreadLabels
from pcseg.classes import IGNORE
from pcseg.pseudo import make_superpoints, suggest_points
from pcseg.pseudo.superpoints import medoids

NEXT = 6
"""Suggestions made at a time."""

PIECE = 64
"""Most points of a piece that get its label; the rest of it follows by spreading."""

REVIEWED = 200
"""Most entries of the list to look at again."""


class Advice:
    """Pieces of a scan, points to label next and labels to review, for a ``spread`` that goes on changing.

    ``representative`` (N,): a point of each node. Pieces are made once, when they are first asked for.
    """

    def __init__(self, spread: SpreadLabels) -> None:
        self._spread, self._graph = spread, spread.graph
        self.representative = np.unique(self._graph.node, return_index=True)[1]
        self._making = threading.Lock()
        self._piece: np.ndarray | None = None

    @property
    def piece(self) -> np.ndarray:
        """The piece (N,) of each node: parts within which surface and color hardly change."""
        with self._making:
            if self._piece is None:
                self._piece = make_superpoints(self._graph)
            return self._piece

    def next_points(self, doubt: np.ndarray | None, skipped: list[int]) -> list[int]:
        """Return the points to label next, the most useful first; ``doubt`` (N,) is that of a network.

        Nodes of the points in ``skipped``, which a person passed over, are taken as labeled.
        """
        given = self._spread.given.copy()
        passed = self._graph.node[np.array(skipped, dtype=np.int64)]
        given[passed[given[passed] == IGNORE]] = given.max(initial=-1) + 1
        labels = given if (given != IGNORE).any() else None
        nodes = suggest_points(self._graph, NEXT, labels, doubt, self.piece)
        return [int(point) for point in self.representative[nodes]]

    def points_of_piece(self, point: int) -> list[int]:
        """Return points that stand for the whole piece around ``point``: itself first, then others evenly chosen."""
        piece = self.piece
        nodes = np.flatnonzero(piece == piece[self._graph.node[point]])
        chosen = nodes[np.linspace(0, len(nodes) - 1, min(PIECE, len(nodes))).astype(np.int64)]
        return list(dict.fromkeys([point, *self.representative[chosen].tolist()]))

    def review(self, labels: Mapping[int, int], prediction: np.ndarray, doubt: np.ndarray) -> list[dict[str, Any]]:
        """Return what to look at again, the surest first: point, label, prediction, doubt, and whose label it is.

        ``labels`` are those of people, by point, of which the like in one piece count once; ``prediction`` (N,) uint8
        and ``doubt`` (N,) from 0 to 1 are those of a network. Spread labels are compared in the middle of each piece.
        """
        piece, found, told = self.piece, [], set()
        for point, label in labels.items():
            node = self._graph.node[point]
            about = (int(piece[node]), label, int(prediction[node]))
            if prediction[node] not in (label, NONE) and about not in told:
                told.add(about)
                found.append((0, float(doubt[node]), point, *about[1:], "person"))
        differs = (self._spread.label != prediction) & (self._spread.label != NONE) & (prediction != NONE)
        size, wrong = np.bincount(piece), np.bincount(piece, differs)
        middle = medoids(self._graph, piece)
        for part in np.flatnonzero((2 * wrong > size) & differs[middle]):
            node = middle[part]
            label, other = int(self._spread.label[node]), int(prediction[node])
            found.append((1, float(doubt[node]), int(self.representative[node]), label, other, "spread"))
        names = ("point", "label", "prediction", "doubt", "whose")
        rows = [(point, label, other, unsure, whose) for _, unsure, point, label, other, whose in sorted(found)]
        return [dict(zip(names, row, strict=True)) for row in rows[:REVIEWED]]
