"""One open scan: the clicks of people in its log, the labels spread from them, and what the page is told of both."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.annotation.advice import Advice
from pcseg.annotation.history import History
from pcseg.annotation.lock import Lock
from pcseg.annotation.log import Log
from pcseg.annotation.nodes import bounded_graph, reach
from pcseg.annotation.numbers import Numbers
from pcseg.annotation.picture import draw
from pcseg.annotation.sources import Source
from pcseg.annotation.spread import NONE, SpreadLabels, bytes_of, counts
from pcseg.errors import InputError

RECENT = 200
"""Steps that the page lists."""

KEYS = {"label": ("class", "how"), "note": ("text",)}
"""What an entry holds of a request, besides its kind, id, seconds and points."""


class Session:
    """The scan of ``source`` while ``author`` labels it.

    Opening takes the lock, reads the scan, replays its log and spreads the labels. Raises InputError where the scan is
    being labeled elsewhere or cannot be read, or where the log is of another scan or has classes that are not there.
    """

    def __init__(self, source: Source, author: str) -> None:
        self.source, self.author = source, author
        self._changing = threading.RLock()
        self._lock = Lock(source.log, author)
        try:
            opened = source.open()
            self.scene, self.identity = opened.scene, opened.identity
            self.numbers = Numbers(opened.numbers)
            self.log = Log(source.log)
            self.history = self._replayed()
            graph, self.voxel_size = bounded_graph(self.scene)
            self.spread = SpreadLabels(graph, len(self.scene.classes), reach(graph))
            self.spread.load(self.labels())
            self.picture = draw(self.scene, graph)
            self.advice = Advice(self.spread)
        except BaseException:
            if hasattr(self, "log"):
                self.log.close()
            self._lock.release()
            raise
        self.prediction = np.full(len(graph), NONE, dtype=np.uint8)
        self.doubt: np.ndarray | None = None

    def close(self) -> None:
        """Give the lock back; nothing is left to be saved."""
        with self._changing:
            self.log.close()
            self._lock.release()

    def act(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Do what the page asks, once it is on disk; return the new state and the nodes whose labels changed.

        A request that came before, by its ``id``, is not done again. Raises InputError where it cannot be done, and
        then nothing has changed.
        """
        began = time.perf_counter()
        with self._changing:
            entry = self._entry(request)
            changed: dict[int, int | None] = {}
            if entry["id"] not in self.history.seen:
                self.history.check(entry)
                self.log.append(entry)
                changed = self.history.apply(entry)
            saved = time.perf_counter()
            here = self.numbers.within(changed)
            nodes = self.spread.change(here) if here else np.zeros(0, dtype=np.int64)
            about = self.state() | {"saved_ms": 1000 * (saved - began), "ms": 1000 * (time.perf_counter() - began)}
            about["elsewhere"] = len(changed) - len(here)
            return about, self._labels_of(nodes) | self._marks(list(here))

    def state(self) -> dict[str, Any]:
        """Return what has been done, in numbers and words."""
        history, n_classes = self.history, len(self.scene.classes)
        spread = self.spread.label[self.spread.label != NONE]
        clicks = len(history.done)
        return {
            "given": counts(history.labels.values(), n_classes),
            "spread": counts(spread, n_classes),
            "clicks": clicks,
            "seconds": history.seconds,
            "undo": clicks,
            "redo": len(history.undone),
            "steps": [_told(step.entry) for step in history.done[-RECENT:]],
            "notes": [self._note(entry) for entry in history.notes[-RECENT:]],
        }

    def about(self) -> dict[str, Any]:
        """Return what the page must know of the scan to draw it."""
        return {"name": self.source.title, "voxel_size": self.voxel_size, **self.picture.about, **self.state()}

    def nodes(self) -> dict[str, np.ndarray]:
        """Return the labels of all nodes, the light on them, the network's view of them, and all marks."""
        with self._changing:
            everything = {"light": self.picture.light} | self._labels_of(None)
            return everything | self._marks(list(self.labels())) | self.views()

    def views(self) -> dict[str, np.ndarray]:
        """Return prediction and doubt of a network, where there is one."""
        return {} if self.doubt is None else {"prediction": self.prediction, "doubt": bytes_of(self.doubt)}

    def predicted(self, probabilities: np.ndarray) -> None:
        """Take the probabilities (N, K) of a network for the nodes."""
        top = np.sort(probabilities, axis=1)[:, -2:]
        known = probabilities.any(axis=1)
        margin = top[:, -1] - top[:, 0] if probabilities.shape[1] > 1 else top[:, -1]
        with self._changing:
            self.prediction = np.where(known, probabilities.argmax(axis=1), NONE).astype(np.uint8)
            self.doubt = np.where(known, 1 - margin, 1).astype(np.float32)

    def labels(self) -> dict[int, int]:
        """Return the class that people gave to points here, by their numbers here."""
        return self.numbers.within(self.given())

    def given(self) -> dict[int, int]:
        """Return the class that people gave to points of the whole scan, by their numbers there."""
        with self._changing:
            return dict(self.history.labels)

    def points_at(self, places: object) -> list[int]:
        """Return the numbers of the points at ``places`` of the picture; raises InputError for anything else."""
        if not isinstance(places, list) or not all(type(p) is int and 0 <= p < len(self.scene) for p in places):
            raise InputError(f"places: must be a list of whole numbers from 0 to {len(self.scene) - 1}")
        return list(dict.fromkeys(self.picture.order[np.array(places, dtype=np.int64)].tolist()))

    def spot(self, point: int) -> dict[str, Any]:
        """Return where a point is, for the page to go there, and what is known of it."""
        node = self.spread.graph.node[point]
        where = np.asarray(self.scene.coord[point], dtype=np.float64) - self.picture.about["low"]
        return {
            "place": int(self.picture.place[point]),
            "point": point,
            "at": [float(v) for v in where],
            "label": int(self.spread.label[node]),
            "confidence": float(self.spread.confidence[node]),
            "prediction": int(self.prediction[node]),
            "doubt": None if self.doubt is None else float(self.doubt[node]),
        }

    def point_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the label (P,) int64 of each point, -1 for none, and its confidence (P,) float32: 1 if a person's."""
        with self._changing:
            return self.spread.point_labels(self.labels())

    def _entry(self, request: Mapping[str, Any]) -> dict[str, Any]:
        kind = request.get("kind")
        entry = {"kind": kind, "id": str(request.get("id", ""))[:64], "seconds": request.get("seconds", 0)}
        entry |= {"by": self.author, "at": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        if kind in ("label", "erase"):
            points = self.points_at(request.get("places"))
            if request.get("how") == "piece":
                points = [p for first in points[:1] for p in self.advice.points_of_piece(first)]
            entry["points"] = self.numbers.whole(points)
        if kind == "note" and request.get("place") is not None:
            (entry["point"],) = self.numbers.whole(self.points_at([request["place"]]))
        return entry | {key: request.get(key) for key in KEYS.get(str(kind), ())}

    def _replayed(self) -> History:
        """Return the history in the log, begun where there is none."""
        points, sha256 = self.identity
        history = History(points, self.scene.classes)
        about = {"kind": "scene", "name": self.source.name, "points": points, "sha256": sha256}
        if not self.log.entries:
            self.log.append({**about, "classes": list(self.scene.classes)})
            return history
        replay(history, self.log.entries, self.log.path, self.identity)
        return history

    def _labels_of(self, nodes: np.ndarray | None) -> dict[str, np.ndarray]:
        """Return labels of some nodes with their numbers; of all without, and also where that is shorter."""
        rows: Any = slice(None)
        arrays = {}
        if nodes is not None and 3 * len(nodes) < len(self.spread.label):
            rows, arrays = nodes, {"changed": nodes.astype(np.uint32)}
        confidence = bytes_of(self.spread.confidence[rows])
        return arrays | {"label": self.spread.label[rows], "confidence": confidence}

    def _marks(self, points: list[int]) -> dict[str, np.ndarray]:
        """Return the places of points here and their classes, NONE for those that have none now."""
        labels, strokes = self.labels(), self.numbers.within(dict.fromkeys(self.history.strokes))
        return {
            "marks": self.picture.place[np.array(points, dtype=np.int64)].astype(np.uint32),
            "classes": np.array([labels.get(point, NONE) for point in points], dtype=np.uint8),
            "small": np.array([point in strokes for point in points], dtype=np.uint8),
        }

    def _note(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        point = entry.get("point")
        here = list(self.numbers.within({} if point is None else {int(point): None}))
        place = int(self.picture.place[here[0]]) if here else None
        return {"text": entry["text"], "at": entry.get("at", ""), "by": entry.get("by", ""), "place": place}


def replay(history: History, entries: list[dict[str, Any]], path: Path, scan: tuple[int, str] | None = None) -> None:
    """Apply the entries of a log to ``history``; raises InputError, with the line, for one that does not fit.

    ``scan``: number and digest of the points, which must be those that were labeled.
    """
    first = entries[0]
    if scan is not None and (first.get("points"), first.get("sha256")) != scan:
        raise InputError(
            f"{path}: is of another scan ({first.get('points')} points); move the file away, or restore it"
        )
    for number, entry in enumerate(entries[1:], 2):
        try:
            history.check(entry)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from error
        history.apply(entry)


def _told(entry: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("kind", "class", "how", "at", "by")
    return {key: entry.get(key, "") for key in keys} | {"points": len(entry["points"])}
