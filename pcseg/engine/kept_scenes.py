"""What is found out about scenes, kept between learning from them and labeling them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np

from pcseg.budgets.tags import SceneTags
from pcseg.device import memory
from pcseg.pseudo import SurfaceGraph
from pcseg.scenes.scene import Scene


@dataclass(frozen=True)
class Around:
    """What tags say of a scene: the classes (P, K) bool that its points may have, and nodes and classes of its parts.

    A point that no tag tells of may have all.
    """

    allowed: np.ndarray
    parts: list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class SeenScene:
    """What is known of a scene: its graph, descriptors (N, D) and tags, if any, labels (P,) and distances to these."""

    graph: SurfaceGraph
    descriptors: np.ndarray | None
    around: Around | None
    labels: np.ndarray
    distances: np.ndarray | None = None

    def bytes(self) -> int:
        graph, cost = self.graph, self.graph.cost
        arrays = [cost.data, cost.indices, cost.indptr, graph.node, graph.position, graph.normal, self.labels]
        arrays += [array for array in (self.descriptors, self.distances) if array is not None]
        if self.around is not None:
            arrays += [self.around.allowed, *(nodes for nodes, _ in self.around.parts)]
        return sum(array.nbytes for array in arrays)


class KeptScenes:
    """Scenes kept between learning and spreading, so that they are described once, in a quarter of the memory.

    Processes on one machine share it.
    """

    def __init__(self) -> None:
        self.room = memory() // 4 // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        self._scenes: dict[Path, SeenScene] = {}
        self._lock = Lock()

    def add(self, folder: Path, seen: SeenScene) -> None:
        """Keep what is known of a scene if there is room."""
        with self._lock:
            if seen.bytes() <= self.room:
                self.room -= seen.bytes()
                self._scenes[folder] = seen

    def pop(self, folder: Path) -> SeenScene | None:
        """Return what is known of a scene, None if it was not kept."""
        with self._lock:
            seen = self._scenes.pop(folder, None)
            self.room += seen.bytes() if seen else 0
            return seen


def tags_around(tags: SceneTags, scene: Scene, graph: SurfaceGraph) -> Around:
    """Return what ``tags`` say of the points of a scene, and of the nodes of its graph."""
    coord = scene.coord + scene.origin
    allowed, told, parts = tags.allowed(coord), np.zeros(len(coord), dtype=bool), []
    for near, inside in tags.parts(coord):
        told |= near
        parts.append((np.unique(graph.node[near]), inside))
    allowed[~told] = True
    return Around(allowed, parts)
