"""Write what was labeled: clicks as CSV, label files for training, and scans with the labels of their points."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pcseg.annotation.history import History
from pcseg.annotation.log import read_entries
from pcseg.annotation.session import Session, replay
from pcseg.annotation.sources import Place, Source
from pcseg.budgets.label_imports import import_clicks
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.errors import InputError
from pcseg.files import atomic_path
from pcseg.formats import WRITERS, write_cloud, write_labeled
from pcseg.scenes.scene import Scene

HEADER = ("scene", "index", "x", "y", "z", "class")


def given_labels(source: Source) -> dict[int, int]:
    """Return the class that a person gave to each labeled point of a scan, {} where there is none."""
    entries = read_entries(source.log)
    if not entries:
        return {}
    history = History(int(entries[0].get("points", 0)), source.meaning.classes.names)
    replay(history, entries, source.log)
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
    """Write the label file of the clicks in a CSV file, for the splits that have any, and return it."""
    names = {name.partition("/")[0] for name, source in place.sources.items() if given_labels(source)}
    scenes: Iterator[Scene] = (s.read() for name, s in place.sources.items() if name.partition("/")[0] in names)
    labels = import_clicks(scenes, place.classes, clicks)
    labels.save(path)
    return labels


def write_scan(session: Session, path: Path, classification: bool = False) -> list[str]:
    """Write the scan of a session with a label and a confidence for each point, 1 for those that a person labeled.

    A label is the number that the class has in the user's files. ``classification``: also as LAS classification.
    Returns remarks on what could not be kept. The format follows the suffix; raises InputError for an unknown one.
    """
    if path.suffix.lower() not in WRITERS:
        raise InputError(f"{path}: unknown format '{path.suffix}'; give one of {', '.join(WRITERS)}")
    classes, scene = session.source.meaning.classes, session.scene
    label, confidence = session.point_labels()
    codes = classes.to_codes(label)
    names = dict(zip(classes.to_codes(np.arange(len(classes))).tolist(), classes.names, strict=True))
    if session.source.is_file:
        cloud = session.source.cloud()
        rows = session.source.rows(cloud)
        if len(rows) != len(scene):
            raise InputError(f"{session.source.path}: has changed since it was opened; open it again")
        every, sure = np.full(len(cloud), -1, dtype=np.int64), np.zeros(len(cloud), dtype=np.float32)
        every[rows], sure[rows] = codes, confidence
        lost = write_labeled(session.source.path, path, cloud, every, sure, names=names, classification=classification)
        return [str(defect) for defect in lost]
    coord = np.asarray(scene.coord, dtype=np.float64) + scene.origin
    fields = {"classification": np.where(codes < 0, 0, codes).astype(np.uint8)} if classification else {}
    color = None if scene.color is None else np.asarray(scene.color)
    lost = write_cloud(path, coord, color=color, fields=fields, labels=codes, confidence=confidence, names=names)
    return [str(defect) for defect in lost]


def _rows(source: Source) -> Iterator[tuple[str, ...]]:
    """Yield the row of each labeled point of a scan."""
    labels = given_labels(source)
    if not labels:
        return
    scene, names = source.read(), source.meaning.names
    for point, k in sorted(labels.items()):
        where = np.asarray(scene.coord[point], dtype=np.float64) + scene.origin
        yield (source.name, str(point), *(f"{value:.3f}" for value in where), names[k])
