"""Draw simulated scribbles and boxes on pictures, from their full ground truth.

Both imitate a person who labels objects: here every connected component of a class is taken for one, and the scribble
or box is computed from its true mask. People draw less regular ones, and merge or split objects otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from pcseg.budgets.draw import labeled, true_labels
from pcseg.budgets.order import scene_order
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.scenes.scene import Scene

SMALLEST = 100
"""Pixels of the smallest component that is labeled, where nothing else is said."""

BOX_WEIGHT = 0.5
"""Weight of the labels in boxes. A labeler does not know which part of a box its object fills, so all have the same."""

_NEIGHBORS = ((0, 1), (1, 0), (1, 1), (1, -1))
_ALL_AROUND = np.ones((3, 3), dtype=bool)


def draw_scribbles(scenes: Iterable[Scene], classes: Classes, seed: int = 0, smallest: int = SMALLEST) -> WeakLabels:
    """Label a curve of pixels, one wide, in each connected component of a class that has ``smallest`` pixels or more.

    The curve runs along the middle of the component between two of its inner pixels that lie far apart; which two,
    follows from the seed and the scene's name. Pixels touch by sides or corners. A picture may stay without a label.
    Scribbles as labels: Lin et al., ScribbleSup, CVPR 2016. Raises InputError for point clouds.
    """
    _check_smallest(smallest)
    entries = []
    for scene in scenes:
        segment = _picture(scene, classes, "scribbles")
        rank = np.empty(segment.size, dtype=np.int64)
        rank[scene_order(seed, scene.name, segment.size)] = np.arange(segment.size)
        numbers = np.arange(segment.size).reshape(segment.shape)
        found = [np.zeros(0, dtype=np.int64)]
        for place, inside, _ in _components(segment, smallest):
            found.append(numbers[place][scribble(inside, rank.reshape(segment.shape)[place])])
        entries.append(labeled(scene, classes, np.concatenate(found)))
    return WeakLabels(classes.names, "scribbles", {"smallest": smallest}, seed, tuple(entries))


def draw_boxes(
    scenes: Iterable[Scene], classes: Classes, smallest: int = SMALLEST, only: Sequence[str] | None = None
) -> WeakLabels:
    """Label the bounding box of each connected component of a class that has ``smallest`` pixels or more.

    A pixel in several boxes gets the class of the smallest; pixels in none stay unlabeled. All labels have the weight
    BOX_WEIGHT, since part of a box is not its object. ``only``: names of the classes to draw boxes of; None: all.
    Nothing is random. Raises InputError for point clouds and unknown names.
    """
    _check_smallest(smallest)
    boxed = range(len(classes)) if only is None else [classes.index(name) for name in only]
    entries = []
    for scene in scenes:
        segment = _picture(scene, classes, "boxes")
        painted = np.full(segment.shape, IGNORE, dtype=np.int16)
        found = [(place, label) for place, _, label in _components(segment, smallest) if label in boxed]
        for place, label in sorted(found, key=lambda box: -painted[box[0]].size):
            painted[place] = label
        index = np.flatnonzero(painted != IGNORE)
        weight = np.full(len(index), BOX_WEIGHT, dtype=np.float16)
        labels = painted.reshape(-1)[index]
        entries.append(SceneLabels(scene.name, len(scene), scene.digest(), index, labels, weight))
    parameters = {"smallest": smallest, "weight": BOX_WEIGHT} | ({} if only is None else {"only": list(only)})
    return WeakLabels(classes.names, "boxes", parameters, None, tuple(entries))


def scribble(inside: np.ndarray, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of a curve of pixels through the middle of a component.

    ``inside`` (H, W) bool: its pixels, all connected by sides or corners. Inner pixels are those at least half as far
    from its edge as the deepest is. The curve goes from one of those farthest from the deepest (at least 3/4 as far as
    the farthest) to one likewise far from that; of several, those of the smallest ``rank`` (H, W) are taken. It is the
    shortest path where a step at distance d from the edge costs 1 / d^2.
    """
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    inner = np.argwhere(depth >= depth.max() / 2)
    ranks = rank[tuple(inner.T)]
    start = _far(inner, ranks, np.argwhere(depth == depth.max())[0])
    end = _far(inner, ranks, inner[start])
    return _path(inside, 1 / np.maximum(depth, 1) ** 2, inner[start], inner[end])


def _far(places: np.ndarray, ranks: np.ndarray, center: np.ndarray) -> int:
    """Return the one of ``places`` (n, 2) of the smallest rank among those nearly farthest from ``center`` (2,)."""
    away = np.linalg.norm(places - center, axis=1)
    return int(np.where(away >= 0.75 * away.max(), ranks, np.iinfo(np.int64).max).argmin())


def _path(inside: np.ndarray, cost: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the cheapest path of pixels of ``inside`` from ``start`` to ``end``, both included."""
    node = np.full(inside.shape, -1)
    node[inside] = np.arange(inside.sum())
    edges = []
    for down, right in _NEIGHBORS:
        height, width = inside.shape
        here = np.s_[: height - down, max(0, -right) : width - max(0, right)]
        there = np.s_[down:, max(0, right) : width + min(0, right)]
        both = inside[here] & inside[there]
        price = (cost[here] + cost[there])[both] * np.hypot(down, right) / 2
        edges.append((price, node[here][both], node[there][both]))
    price, first, second = (np.concatenate(part) for part in zip(*edges, strict=True))
    graph = coo_matrix((price, (first, second)), shape=(inside.sum(),) * 2).tocsr()
    before = dijkstra(graph, directed=False, indices=node[tuple(start)], return_predecessors=True)[1]
    path = [int(node[tuple(end)])]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    rows, columns = np.nonzero(inside)
    return rows[path], columns[path]


def _components(segment: np.ndarray, smallest: int) -> Iterator[tuple[tuple[slice, slice], np.ndarray, int]]:
    """Yield the bounding box, the mask in it and the class of each component of ``smallest`` pixels or more."""
    for label in np.unique(segment[segment != IGNORE]).tolist():
        parts, _ = ndimage.label(segment == label, _ALL_AROUND)
        for number, place in enumerate(ndimage.find_objects(parts), start=1):
            inside = parts[place] == number
            if np.count_nonzero(inside) >= smallest:
                yield place, inside, label


def _picture(scene: Scene, classes: Classes, rule: str) -> np.ndarray:
    """Return the true labels (H, W) of a picture."""
    if scene.size is None:
        raise InputError(f"{scene.name}: is a point cloud, and rule={rule} is for pictures; use another rule")
    return true_labels(scene, classes).reshape(scene.size)


def _check_smallest(smallest: int) -> None:
    if smallest < 1:
        raise InputError(f"smallest={smallest}: must be 1 or more, in pixels")
