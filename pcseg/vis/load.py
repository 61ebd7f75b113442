"""Load a view from files: a scene folder or a point file, a prediction, and the labels used in training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.datasets import ClassFile
from pcseg.errors import InputError
from pcseg.formats import Cloud, read_cloud
from pcseg.formats.columns import USUAL_LABELS
from pcseg.scenes.arrays import numbers
from pcseg.scenes.origin import recenter
from pcseg.scenes.places import usable
from pcseg.scenes.scene import Scene, read_scene, scene_classes
from pcseg.vis.numbers import numbered, read_numbers, table_of, why_empty
from pcseg.vis.prediction import Prediction, column, defect_notes, read_prediction, with_prediction
from pcseg.vis.view import CloudView

INTENSITIES = ("intensity", "reflectance", "reflectivity", "remission", "scalar_intensity", "scalar_reflectance")
"""Names of columns with the strength of the laser's return."""


def view_scene(
    folder: Path, classes: ClassFile | None = None, weak: WeakLabels | None = None, prediction: Path | None = None
) -> CloudView:
    """Return the view of a scene folder: colors, truth, prediction, and the points that ``weak`` labels.

    Where ``weak`` has weights, as spread labels do, those of weight 1 are the given ones; all are a layer of their own.
    A scene that ``weak`` does not cover, such as a test scene, has no labeled point. If ``classes`` is None, the
    classes are those of the data set's dataset.json, else of the folder's scene.json, else of ``weak``, else one for
    each number in the labels. Raises InputError if a file cannot be read or the prediction is for another number
    of points.
    """
    file = read_prediction(prediction) if prediction else None
    named = _own_classes(folder)
    known = classes.classes if classes else named or (Classes(weak.classes) if weak else None)
    scene = read_scene(folder, known or Classes(("any",)), with_labels=False)
    notes: list[str] = []
    if named and known:
        truth = read_scene(folder, known, with_labels=True).segment
    else:
        segment = _segment(folder, len(scene), len(known) if known else 0)
        if known is None:
            known = numbered(segment, file.numbers if file else None)
            notes.append(
                f"{scene.name}: no names of classes found; give classes=s3dis, scannet20, a classes.yaml or names"
            )
        truth = None
        if segment is not None:
            truth, more = read_numbers(segment, table_of(known), scene.name)
            notes += more
    view = CloudView(scene.name, scene.coord, known, scene.color, truth, origin=scene.origin, size=scene.size)
    view = replace(view, notes=tuple(notes))
    view = view if weak is None else _with_labels(view, scene, weak)
    return with_prediction(view, file) if file else view


def _with_labels(view: CloudView, scene: Scene, weak: WeakLabels) -> CloudView:
    """Return the view with the labels of ``weak``; those of weight 1 were given, others spread or guessed."""
    if scene.name not in weak:
        return replace(view, labels=np.full(len(scene), IGNORE, dtype=np.int64))
    labels, weight = weak.labels(scene), weak.weights(scene)
    if weight is None:
        return replace(view, labels=labels)
    return replace(view, labels=np.where(weight == 1, labels, IGNORE), spread=labels, weight=weight)


def view_cloud(
    path: Path, classes: ClassFile | None = None, columns: tuple[str, ...] = (), prediction: Path | None = None
) -> CloudView:
    """Return the view of a point file without the points whose coordinates are NaN, infinite or huge.

    The column of labels is the prediction if the file also has a column ``confidence``, as tools/predict.py writes it,
    else the truth. If ``classes`` is None, there is a class for each number in the labels. ``columns`` are the names of
    the columns of a table without a header. Raises InputError if a file cannot be read, no point is usable, or
    ``prediction`` has another number of points.
    """
    cloud = read_cloud(path, columns)
    keep = usable(cloud.coord)
    if not keep.any():
        raise InputError(f"{path}: no point with usable coordinates, all are NaN, infinite or huge; export it again")
    notes = defect_notes(cloud, path)
    if not keep.all():
        notes.append(
            f"{path.name}: {(~keep).sum():,} of {len(keep):,} points have no usable coordinates and are left out"
        )
    truth, file = _labels(cloud, path, classes, notes)
    file = read_prediction(prediction) if prediction else file
    known = classes.classes if classes else numbered(truth, file.numbers if file else None)
    coord = np.zeros(cloud.coord.shape, dtype=np.float32)
    coord[keep], origin = recenter(cloud.coord[keep])
    intensity = column(cloud, INTENSITIES)
    if intensity is not None:
        intensity = np.nan_to_num(intensity.astype(np.float32), posinf=0, neginf=0)
        intensity = intensity if intensity.min() < intensity.max() else None
    view = CloudView(path.stem, coord, known, cloud.color, origin=origin, intensity=intensity)
    if truth is not None:
        ids = {number: known.index(name) for number, name in classes.ids.items()} if classes else {}
        labels, more = read_numbers(truth, ids or table_of(known), path.name, classes.ignore if classes else ())
        view, notes = replace(view, truth=labels), notes + more
    view = replace(view, notes=tuple(notes))
    view = with_prediction(view, file) if file else view
    return view if keep.all() else view.take(keep)


def _labels(
    cloud: Cloud, path: Path, classes: ClassFile | None, notes: list[str]
) -> tuple[np.ndarray | None, Prediction | None]:
    """Return the column of labels (P,) as the truth or as a prediction; if neither, add the reason to ``notes``."""
    confidence = column(cloud, ("confidence",))
    if confidence is not None:
        values = column(cloud, USUAL_LABELS)
        return None, None if values is None else Prediction(path, values, confidence, positions=False)
    own = classes.label if classes else ""
    values = column(cloud, (own,) if own else USUAL_LABELS)
    if values is None and own:
        notes.append(f"{path.name}: no column {own} (found {', '.join(cloud.fields) or 'none'}), hence no ground truth")
    why = "" if values is None or (classes and 0 in classes.ids) else why_empty(values)
    if why:
        notes.append(f"{path.name}: its column of labels {why}: no ground truth")
    return None if why else values, None


def _own_classes(folder: Path) -> Classes | None:
    """Return the classes of a prepared scene folder; None if it names none, as the folders of Pointcept do."""
    try:
        return scene_classes(folder)
    except InputError as error:
        if str(error).startswith(f"{folder}: "):  # no names; not a damaged dataset.json or scene.json
            return None
        raise


def _segment(folder: Path, count: int, n_classes: int) -> np.ndarray | None:
    """Return the labels (P,) of a folder without class names, from segment.npy or Pointcept's segment20.npy etc."""
    stems = ["segment", f"segment{n_classes}", *sorted(path.stem for path in folder.glob("segment*.npy"))]
    return next((array for stem in stems if (array := numbers(folder, stem, count)) is not None), None)
