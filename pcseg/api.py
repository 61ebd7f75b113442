"""The loop of clicking on plain arrays: show points, spread clicks over them, suggest where to click next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pcseg.classes import IGNORE, Classes
from pcseg.engine.scan import checked_scan
from pcseg.errors import InputError
from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.pseudo import EdgeCosts, Forest, Spreading, SurfaceGraph, suggest_points
from pcseg.pseudo.descriptors import describe
from pcseg.pseudo.spread import node_labels
from pcseg.pseudo.suggest import network_doubt
from pcseg.scenes.columns import RESERVED, by_name
from pcseg.scenes.origin import recenter
from pcseg.scenes.places import FARTHEST, usable
from pcseg.scenes.scene import Scene
from pcseg.vis.notebook import Page
from pcseg.vis.view import CloudView

Columns = Mapping[str, np.ndarray]


def spread(
    xyz: np.ndarray,
    clicks_index: Sequence[int] | np.ndarray,
    clicks_label: Sequence[int] | np.ndarray,
    color: np.ndarray | None = None,
    *,
    columns: Columns | None = None,
    n_classes: int | None = None,
    keep: float = 0.5,
    forest: bool = True,
    rule: str = "paths",
    voxel_size: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Spread the labels of a few points over the surface of a scan: ``labels, confidence = pcseg.spread(...)``.

    Returns for each point, in order, a label (P,) int64 and its confidence (P,) float32 in [0, 1]; labels of a
    confidence below ``keep`` are -1, with confidence 0 (``keep=0``: every point gets one). Clicked points keep their
    own label, with confidence 1. It is what tools/spread_labels.py balance=false does to one scene.

    ``xyz`` (P, 3) in meters, z up, of any origin; ``color`` (P, 3), 0 to 255 or 0 to 1. ``clicks_index`` (n,): numbers
    of the clicked points, from 0; ``clicks_label`` (n,): their classes, from 0; of two clicks on a point the last
    counts. ``columns``: further arrays (P,) by name that tell surfaces apart, such as intensity. ``n_classes`` K:
    by default the largest label and 1. ``forest``: trees learn from the clicks what each class looks like, wherever
    it is; without them labels come by the surface alone, twice as fast. ``rule``: "paths" or "walk" (slower).
    ``voxel_size`` in meters: points of a voxel are taken as one (0.03 serves scans of millions of points).

    Points whose coordinates stand for no place (NaN, infinite) get -1. Raises InputError for arrays that do not fit.
    """
    scan, rows = _usable(_scan(xyz, color, columns))
    count = len(xyz)
    given = _given(clicks_index, clicks_label, count)
    if given is None:
        raise InputError("clicks_index: is empty; label one point at least")
    highest = int(given.max())
    n_classes = highest + 1 if n_classes is None else n_classes
    if highest >= n_classes:
        raise InputError(f"clicks_label: holds {highest}, but n_classes={n_classes}; labels are 0 to {n_classes - 1}")
    costs = EdgeCosts(attributes=dict.fromkeys(scan.columns, 1.0))
    spreading = Spreading(rule, costs, voxel_size, keep=keep)
    graph, known = spreading.graph(scan.coord, scan.attributes), given[rows]
    if not (known != IGNORE).any():
        raise InputError("clicks_index: no click is on a point with finite coordinates; click on others")
    trees, descriptors = None, None
    if forest:
        descriptors = describe(graph, graph.mean(_seen(scan)))
        examples, _ = spreading.examples(graph, known, n_classes, descriptors, at_random=False)
        trees = Forest(examples["descriptors"], examples["labels"], n_classes)
    labels, confidence = np.full(count, IGNORE, dtype=np.int64), np.zeros(count, dtype=np.float32)
    labels[rows], confidence[rows] = spreading(graph, known, n_classes, None, trees, descriptors)
    return labels, confidence


def suggest(
    xyz: np.ndarray,
    budget: int,
    color: np.ndarray | None = None,
    *,
    clicks_index: Sequence[int] | np.ndarray = (),
    clicks_label: Sequence[int] | np.ndarray = (),
    probabilities: np.ndarray | None = None,
    columns: Columns | None = None,
    voxel_size: float | None = None,
) -> np.ndarray:
    """Return the numbers (n,) int64 of ``budget`` points to label next, the most useful first.

    Without clicks the middles of the largest parts of the surface come first; with clicks, points where the surface
    is far from them or near two classes; with ``probabilities`` (P, K) of a network, where it is in doubt. Fewer than
    ``budget`` where all others are labeled. It is what tools/suggest_labels.py does to one scene.

    ``xyz`` (P, 3), ``color``, ``columns``, ``voxel_size``, ``clicks_index`` (n,) and ``clicks_label`` (n,) are as in
    ``pcseg.spread``; the clicks may be none. Raises InputError for arrays that do not fit and a budget below 1.
    """
    scan, rows = _usable(_scan(xyz, color, columns))
    costs = EdgeCosts(attributes=dict.fromkeys(scan.columns, 1.0))
    graph = Spreading(costs=costs, voxel_size=voxel_size).graph(scan.coord, scan.attributes)
    given = _given(clicks_index, clicks_label, len(xyz))
    known = None if given is None else node_labels(graph, given[rows], int(given.max()) + 1)
    doubt = None
    if probabilities is not None:
        if np.ndim(probabilities) != 2 or len(probabilities) != len(xyz):
            raise InputError(f"probabilities: are of shape {np.shape(probabilities)}; give ({len(xyz)}, K)")
        doubt = graph.mean(network_doubt(np.asarray(probabilities, dtype=np.float32)[rows]))
    return rows[_first_points(graph)[suggest_points(graph, budget, known, doubt)]]


def show(
    xyz: np.ndarray,
    labels: np.ndarray | None = None,
    color: np.ndarray | None = None,
    classes: Classes | Sequence[str] | None = None,
    *,
    truth: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
    clicks_index: Sequence[int] | np.ndarray = (),
    clicks_label: Sequence[int] | np.ndarray = (),
    name: str = "scan",
    most: int = 80_000,
) -> Page:
    """Return an interactive page of a scan, which a notebook draws in its cell; ``.save(path)`` and ``.open()`` it too.

    ``xyz`` (P, 3) in meters, z up, of any origin; ``labels`` (P,): whole numbers, an index into ``classes``, -1 for
    none; ``color`` (P, 3), 0 to 255 or 0 to 1; ``classes``: their names, by default class 0, class 1, ...
    ``truth`` (P,): the true classes where they are known, to show the errors of ``labels``; ``confidence`` (P,) in
    [0, 1]; ``clicks_index`` and ``clicks_label`` (n,) as in ``pcseg.spread``, drawn as large points. Of more than
    ``most`` points a random choice is drawn, clicked ones first. The page is one HTML file that needs nothing else.

    Points whose coordinates stand for no place are left out, and counted on the page. Raises InputError for arrays
    that do not fit.
    """
    scan, rows = _usable(_scan(xyz, color, None, name))
    layers = {key: _whole(key, values) for key, values in (("labels", labels), ("truth", truth)) if values is not None}
    clicks = _given(clicks_index, clicks_label, len(xyz))
    if clicks is not None:
        layers["clicks"] = clicks
    for key, values in {**layers, **({} if confidence is None else {"confidence": confidence})}.items():
        if np.shape(values) != (len(xyz),):
            raise InputError(f"{key}: is of shape {np.shape(values)} for {len(xyz)} points; give one value per point")
    chosen = {key: values[rows] for key, values in layers.items()}
    coord, origin = recenter(scan.coord)
    lost = len(xyz) - len(rows)
    view = CloudView(
        name, coord, _named(classes, layers), scan.color,
        truth=chosen.get("truth"), prediction=chosen.get("labels"), labels=chosen.get("clicks"),
        confidence=None if confidence is None else np.asarray(confidence, dtype=np.float32)[rows],
        origin=origin, rows=rows, notes=(f"{lost:,} points without a place are left out",) * bool(lost),
    )  # fmt: skip
    return Page(view, most, {"prediction": "Labels", "labeled": "Clicks"})


def _scan(xyz: np.ndarray, color: np.ndarray | None, columns: Columns | None, name: str = "the scan") -> Scene:
    named = by_name(columns or {})
    wrong = sorted(RESERVED & named.keys())
    if wrong:
        raise InputError(f"columns: {wrong[0]} has a meaning of its own; give the column another name")
    return checked_scan(name, xyz, color, None, named, tuple(named))


def _usable(scan: Scene) -> tuple[Scene, np.ndarray]:
    """Return the points of a scan that are at a place, and their numbers (n,); raises InputError for none."""
    rows = np.flatnonzero(usable(scan.coord))
    if not len(rows):
        raise InputError(f"{scan.name}: no point has finite coordinates (within {FARTHEST:g}); read the scan again")
    return scan[rows], rows


def _given(index: Sequence[int] | np.ndarray, label: Sequence[int] | np.ndarray, count: int) -> np.ndarray | None:
    """Return the labels (count,) int64 that clicks give, IGNORE elsewhere; None for no click."""
    if len(index) != len(label):
        raise InputError(f"clicks_index: {len(index)} points, but {len(label)} labels in clicks_label; give one each")
    if not len(index):
        return None
    at, classes = _whole("clicks_index", index), _whole("clicks_label", label)
    if at.min() < 0 or at.max() >= count:
        wrong = at[(at < 0) | (at >= count)][0]
        raise InputError(f"clicks_index: holds {wrong}, but the points are 0 to {count - 1}; correct it")
    if classes.min() < 0:
        raise InputError(f"clicks_label: holds {classes.min()}; classes are numbered from 0")
    given = np.full(count, IGNORE, dtype=np.int64)
    given[at] = classes
    return given


def _whole(key: str, values: Sequence[int] | np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"{key}: is {array.dtype} {array.shape}; give whole numbers, one row of them")
    return array.astype(np.int64)


def _seen(scan: Scene) -> np.ndarray:
    """Return what the forest sees of each point besides shapes (P, F) float32: its color and columns."""
    ranges = {name: _range(scan.attributes[name]) for name in scan.columns}
    return Features(["optional_color", *scan.columns]).ranged(ranges)(make_points(scan))


def _range(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = np.percentile(finite, [1, 99]) if len(finite) else (0.0, 1.0)
    return float(low), float(max(high, low + 1e-9))


def _first_points(graph: SurfaceGraph) -> np.ndarray:
    """Return the number (N,) of the first point of each node."""
    return np.unique(graph.node, return_index=True)[1]


def _named(classes: Classes | Sequence[str] | None, layers: Mapping[str, np.ndarray]) -> Classes:
    if isinstance(classes, Classes):
        return classes
    if classes is not None:
        return Classes(tuple(classes))
    count = 1 + max((int(values.max(initial=0)) for values in layers.values()), default=0)
    return Classes(tuple(f"class {number}" for number in range(count)))
