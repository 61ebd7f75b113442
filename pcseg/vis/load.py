"""From files to a view: a scene folder or a point file, a prediction, the labels that training was given."""

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
from pcseg.scenes.scene import read_scene, scene_classes
from pcseg.vis.numbers import numbered, read_numbers, says_nothing, table_of
from pcseg.vis.prediction import Prediction, column, predicted, read_prediction, told_of
from pcseg.vis.view import CloudView

INTENSITIES = ("intensity", "reflectance", "reflectivity", "remission", "scalar_intensity", "scalar_reflectance")
"""Names that the strength of a laser's echo goes by."""


def view_scene(
    folder: Path, classes: ClassFile | None = None, weak: WeakLabels | None = None, prediction: Path | None = None
) -> CloudView:
    """The view of a scene folder: colors, truth, and where ``weak`` is given the points it labels: none in a scene
    that the budget does not cover, such as one held back for the test.

    Without ``classes`` they are those of the data set's dataset.json, else of the folder's scene.json, else of ``weak``.
    Where nothing names them there is a class for each number that occurs.
    """
    told = read_prediction(prediction) if prediction else None
    named = _own_classes(folder)
    known = classes.classes if classes else named or (Classes(weak.classes) if weak else None)
    scene = read_scene(folder, known or Classes(("any",)), with_labels=False)
    notes: list[str] = []
    if named and known:
        truth = read_scene(folder, known, with_labels=True).segment
    else:
        segment = _segment(folder, len(scene), len(known) if known else 0)
        if known is None:
            known = numbered(segment, told.numbers if told else None)
            notes.append(
                f"{scene.name}: nothing names its classes; say classes=s3dis, scannet20, a classes.yaml or names"
            )
        truth = None
        if segment is not None:
            truth, notes[len(notes) :] = read_numbers(segment, table_of(known), scene.name)
    labels = None
    if weak is not None:
        labels = weak.labels(scene) if scene.name in weak else np.full(len(scene), IGNORE, dtype=np.int64)
    view = CloudView(scene.name, scene.coord, known, scene.color, truth, labels=labels, origin=scene.origin)
    view = replace(view, notes=tuple(notes))
    return predicted(view, told) if told else view


def view_cloud(
    path: Path, classes: ClassFile | None = None, columns: tuple[str, ...] = (), prediction: Path | None = None
) -> CloudView:
    """The view of a point file; points whose coordinates stand for no place are left out.

    A column of labels is a prediction where the file has a column ``confidence`` too, as tools/predict.py writes it, else
    the truth. Without ``classes`` there is a class for each number that occurs. What a viewer would not expect is noted.
    """
    cloud = read_cloud(path, columns)
    keep = usable(cloud.coord)
    if not keep.any():
        raise InputError(f"{path}: no point with usable coordinates, they are NaN, infinite or huge; export it again")
    notes = told_of(cloud, path)
    if not keep.all():
        notes.append(
            f"{path.name}: {(~keep).sum():,} of {len(keep):,} points have no usable coordinates and are left out"
        )
    truth, told = _labels(cloud, path, classes, notes)
    told = read_prediction(prediction) if prediction else told
    known = classes.classes if classes else numbered(truth, told.numbers if told else None)
    coord = np.zeros(cloud.coord.shape, dtype=np.float32)
    coord[keep], origin = recenter(cloud.coord[keep])
    intensity = column(cloud, INTENSITIES)
    if intensity is not None:
        intensity = np.nan_to_num(intensity.astype(np.float32), posinf=0, neginf=0)
        intensity = intensity if intensity.min() < intensity.max() else None
    view = CloudView(path.stem, coord, known, cloud.color, origin=origin, intensity=intensity)
    if truth is not None:
        ids = {number: known.index(name) for number, name in classes.ids.items()} if classes else {}
        labels, said = read_numbers(truth, ids or table_of(known), path.name, classes.ignore if classes else ())
        view, notes = replace(view, truth=labels), notes + said
    view = replace(view, notes=tuple(notes))
    view = predicted(view, told) if told else view
    return view if keep.all() else view.take(keep)


def _labels(
    cloud: Cloud, path: Path, classes: ClassFile | None, notes: list[str]
) -> tuple[np.ndarray | None, Prediction | None]:
    """The column of labels, (P,) as in the file: as truth or as prediction; it adds to ``notes`` why it is neither."""
    confidence = column(cloud, ("confidence",))
    if confidence is not None:
        values = column(cloud, USUAL_LABELS)
        return None, None if values is None else Prediction(path, values, confidence, positions=False)
    own = classes.label if classes else ""
    values = column(cloud, (own,) if own else USUAL_LABELS)
    if values is None and own:
        notes.append(
            f"{path.name}: has no column {own} (found {', '.join(cloud.fields) or 'none'}), so no ground truth"
        )
    why = "" if values is None or (classes and 0 in classes.ids) else says_nothing(values)
    if why:
        notes.append(f"{path.name}: its column of labels {why}: no ground truth")
    return None if why else values, None


def _own_classes(folder: Path) -> Classes | None:
    """The classes that a scene folder is prepared with; None where it names none, as Pointcept's."""
    try:
        return scene_classes(folder)
    except InputError as error:
        if str(error).startswith(f"{folder}: "):  # not that its dataset.json or scene.json is damaged
            return None
        raise


def _segment(folder: Path, count: int, n_classes: int) -> np.ndarray | None:
    """The numbers (P,) of a folder without names: segment.npy, or Pointcept's segment20.npy, segment200.npy."""
    stems = ["segment", f"segment{n_classes}", *sorted(path.stem for path in folder.glob("segment*.npy"))]
    return next((array for stem in stems if (array := numbers(folder, stem, count)) is not None), None)
