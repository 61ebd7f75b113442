"""Write what was labeled: clicks as CSV, label files for training, and scans with the labels of their points."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from pcseg.annotation.chunks import LAS, copy_labeled
from pcseg.annotation.history import History
from pcseg.annotation.log import read_entries
from pcseg.annotation.nodes import bounded_graph, reach
from pcseg.annotation.numbers import Numbers
from pcseg.annotation.session import Session, replay
from pcseg.annotation.sources import Place, Source
from pcseg.annotation.spread import SpreadLabels
from pcseg.budgets.scene_labels import SceneLabels, packed
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.files import atomic_path
from pcseg.formats import WRITERS, write_cloud, write_labeled

HEADER = ("scene", "index", "x", "y", "z", "class")


MAX_DISTANCE = 0.1
"""What the import of clicks from a CSV file notes beside its name."""


def given_labels(source: Source, scan: tuple[int, str] | None = None) -> dict[int, int]:
    """Return the class that a person gave to each labeled point of a scan, {} where there is none.

    ``scan``: its identity, which the log must have.
    """
    entries = read_entries(source.log)
    if not entries:
        return {}
    history = History(int(entries[0].get("points", 0)), source.meaning.classes.names)
    replay(history, entries, source.log, scan)
    return history.labels


def write_clicks(place: Place, path: Path) -> int:
    """Write the clicks of all scans as CSV, which tools/draw_labels.py rule=csv reads; return how many there are.

    Coordinates are those of the raw scan. Raises InputError where there is no click.
    """
    rows = [HEADER, *(row for source in place.sources.values() for row in _rows(source))]
    if len(rows) == 1:
        raise InputError("there is no click yet; label points first")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
    return len(rows) - 1


def write_label_file(place: Place, clicks: Path, path: Path) -> WeakLabels:
    """Write the label file of the clicks for the splits that have any, and return it.

    It is the one that tools/draw_labels.py rule=csv makes of ``clicks``, the CSV file that write_clicks wrote.
    """
    entries = []
    for source in _covered(place):
        points, sha256 = identity(source)
        given = dict(sorted(given_labels(source, (points, sha256)).items()))
        index = np.array(list(given), dtype=np.int64)
        entries.append(SceneLabels(source.name, points, sha256, index, np.array(list(given.values()), dtype=np.int16)))
    parameters = {"source": clicks.name, "max_distance": MAX_DISTANCE}
    labels = WeakLabels(place.classes.names, "csv", parameters, None, tuple(entries))
    labels.save(path)
    return labels


def write_spread_file(
    place: Place, clicks: WeakLabels, path: Path, keep: float, sessions: Mapping[str, Session]
) -> WeakLabels:
    """Write the label file of all points of a confidence of ``keep`` or more, as it has spread, and return it.

    Given labels have weight 1, spread ones their confidence; the file names the hash of ``clicks``, from which they
    spread. ``sessions``: those that are open, by title, whose labels need not be spread anew.
    """
    entries = []
    for source in _covered(place):
        points, sha256 = identity(source)
        given = given_labels(source, (points, sha256))
        label, sure = whole_labels(source, given, points, sessions)
        index = np.flatnonzero((label != IGNORE) & (sure >= keep))
        label, sure = label[index], sure[index]
        known = np.where(sure == 1, label, IGNORE)
        arrays = packed(label, sure, known)
        entries.append(SceneLabels(source.name, points, sha256, **(arrays | {"index": index})))
    parameters = {"budget": clicks.sha256, "from": "clicks", "keep": keep}
    labels = WeakLabels(place.classes.names, "spread", parameters, None, tuple(entries))
    labels.save(path)
    return labels


def identity(source: Source) -> tuple[int, str]:
    """Return how many points a scan has, and its Scene.digest()."""
    if source.tiles is not None:
        return source.tiles.identity
    scene = source.read()
    return len(scene), scene.digest()


def whole_labels(
    source: Source, given: Mapping[int, int], points: int, sessions: Mapping[str, Session]
) -> tuple[np.ndarray, np.ndarray]:
    """Return label (P,) int16, IGNORE for none, and confidence (P,) of all ``points`` of a scan, tile by tile."""
    label, sure = np.full(points, IGNORE, dtype=np.int16), np.zeros(points, dtype=np.float32)
    for part in source.parts() if given else []:
        if (session := sessions.get(part.title)) is not None:
            numbers, (found, confidence) = session.numbers, session.point_labels()
        else:
            opened = part.open()
            numbers = Numbers(opened.numbers)
            here = numbers.within(given)
            if not here:
                continue
            graph, _ = bounded_graph(opened.scene)
            spread = SpreadLabels(graph, len(opened.scene.classes), reach(graph))
            spread.load(here)
            found, confidence = spread.point_labels(here)
        rows = numbers.rows
        label[rows], sure[rows] = found, confidence
    return label, sure


def write_scan(
    session: Session, path: Path, classification: bool = False, sessions: Mapping[str, Session] | None = None
) -> list[str]:
    """Write the whole scan of a session with a label and a confidence for each point, 1 for those a person labeled.

    A label is the number that the class has in the user's files. ``classification``: also as LAS classification.
    Of a large scan all tiles are written, those that are not among ``sessions`` after their labels were spread anew.
    Returns remarks on what could not be kept. The format follows the suffix; raises InputError for an unknown one.
    """
    if path.suffix.lower() not in WRITERS:
        raise InputError(f"{path}: unknown format '{path.suffix}'; give one of {', '.join(WRITERS)}")
    source, (points, _) = session.source, session.identity
    classes = source.meaning.classes
    whole = replace(source, tile=None)
    if source.tiles is not None:
        source.tiles.check_source()
    elif identity(source) != session.identity:
        raise InputError(f"{source.path}: has changed since it was opened; open it again")
    open_now = {**(sessions or {}), source.title: session}
    label, confidence = whole_labels(whole, session.given(), points, open_now)
    numbers = classes.to_codes(np.arange(len(classes)))
    names = dict(zip(numbers.tolist(), classes.names, strict=True))
    codes = np.append(numbers, -1).astype(np.min_scalar_type(-1 - int(numbers.max())))[label]  # the last for IGNORE
    if source.tiles is not None and {source.path.suffix.lower(), path.suffix.lower()} <= set(LAS):
        copy_labeled(source.path, path, codes, confidence, names, classification)
        return []
    if source.is_file:
        cloud = source.cloud()
        rows = source.rows(cloud)
        every, sure = np.full(len(cloud), -1, dtype=np.int64), np.zeros(len(cloud), dtype=np.float32)
        every[rows], sure[rows] = codes, confidence
        lost = write_labeled(source.path, path, cloud, every, sure, names=names, classification=classification)
        return [str(defect) for defect in lost]
    scene = session.scene if source.tiles is None else whole.read()
    coord = np.asarray(scene.coord, dtype=np.float64) + scene.origin
    fields = {"classification": np.where(codes < 0, 0, codes).astype(np.uint8)} if classification else {}
    color = None if scene.color is None else np.asarray(scene.color)
    lost = write_cloud(path, coord, color=color, fields=fields, labels=codes, confidence=confidence, names=names)
    return [str(defect) for defect in lost]


def _covered(place: Place) -> list[Source]:
    """Return the scans of the splits in which any has a click."""
    names = {name.partition("/")[0] for name, source in place.sources.items() if given_labels(source)}
    return [source for name, source in place.sources.items() if name.partition("/")[0] in names]


def _rows(source: Source) -> Iterator[tuple[str, ...]]:
    """Yield the row of each labeled point of a scan."""
    labels = given_labels(source)
    if not labels:
        return
    scene, names = source.read(), source.meaning.names
    for point, k in sorted(labels.items()):
        where = np.asarray(scene.coord[point], dtype=np.float64) + scene.origin
        yield (source.name, str(point), *(f"{value:.3f}" for value in where), names[k])
