"""From files to a view: a scene folder or a point file, a prediction, the labels that training was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pcseg.data.readers import ClassFile, Cloud, read_cloud
from pcseg.data.readers.class_file import USUAL_LABELS
from pcseg.data.scene import read_scene, recentre, scene_classes
from pcseg.data.weak_labels import WeakLabels
from pcseg.errors import InputError
from pcseg.labels import IGNORE, Classes
from pcseg.vis.view import CloudView


def view_scene(folder: Path, classes: ClassFile | None = None, labels: WeakLabels | None = None) -> CloudView:
    """The view of a scene folder: colours, truth, and where ``labels`` are given the points they label: none in a
    scene that the budget does not cover, such as one held back for the test.

    Without ``classes`` they are those of the data set's dataset.json, else of the folder's scene.json.
    """
    names = classes.classes if classes else scene_classes(folder)
    scene = read_scene(folder, names, with_labels=True)
    shown = None
    if labels is not None:
        shown = labels.labels(scene) if scene.name in labels else np.full(len(scene), IGNORE, dtype=np.int64)
    return CloudView(
        scene.name,
        scene.coord,
        names,
        color=scene.color,
        truth=scene.segment,
        labels=shown,
        origin=scene.origin,
    )


def view_cloud(path: Path, classes: ClassFile | None = None, columns: tuple[str, ...] = ()) -> CloudView:
    """The view of a point file; points without finite coordinates are left out.

    A column of labels is the prediction where the file has a column ``confidence`` too, as tools/predict.py writes it,
    else the truth. Without ``classes`` they are called class 0, class 1, ...
    """
    cloud = read_cloud(path, columns)
    finite = np.isfinite(cloud.coord).all(axis=1)
    if not finite.any():
        raise InputError(f"{path}: no point with finite coordinates; export it again")
    coord, origin = recentre(cloud.coord[finite])
    column = _column(cloud, ("confidence",))
    # A predicted file numbers its labels as the classes are listed, whatever the scans it was made from do.
    written = classes and ClassFile(classes.names, classes.colors, label="label")
    found = _labels(cloud, path, classes if column is None else written)
    names = classes.classes if classes else _numbered(found)
    truth = prediction = confidence = None
    if column is not None:
        prediction, confidence = found, np.nan_to_num(column.astype(np.float32))[finite]
    else:
        truth = found
    view = CloudView(path.stem, coord, names, confidence=confidence, origin=origin)
    color, truth, prediction = (None if a is None else a[finite] for a in (cloud.color, truth, prediction))
    return replace(view, color=color, truth=truth, prediction=prediction)


def with_prediction(view: CloudView, path: Path) -> CloudView:
    """``view`` with the prediction of a file: a .npy of one label a point (tools/evaluate.py predictions=true), or a
    point file with a column of labels and perhaps one of confidences (tools/predict.py), in the order of the points."""
    known = ClassFile(view.classes.names, view.classes.colors)
    array = _vector(path) if path.suffix == ".npy" else None
    if array is not None:
        labels, confidence = known.segment(array, str(path)), None
    else:
        cloud = read_cloud(path)
        found, confidence = _labels(cloud, path, known), _column(cloud, ("confidence",))
        if found is None:
            raise InputError(
                f"{path}: has no column of labels (found {', '.join(cloud.fields) or 'none'}); name it label"
            )
        labels = found
    if len(labels) != len(view):
        raise InputError(
            f"{path}: {len(labels)} labels for the {len(view)} points of {view.name}; predict that cloud again"
        )
    confidence = None if confidence is None else np.nan_to_num(confidence.astype(np.float32))
    return replace(view, prediction=labels, confidence=confidence)


def _vector(path: Path) -> np.ndarray | None:
    """The array of a .npy file if it is one number a point."""
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable .npy file ({error}); write it again") from error
    return array if array.ndim == 1 and array.dtype.kind in "iuf" else None


def _column(cloud: Cloud, names: tuple[str, ...]) -> np.ndarray | None:
    by_name = {name.lower(): values for name, values in cloud.fields.items()}
    return next((by_name[name] for name in names if name in by_name), None)


def _labels(cloud: Cloud, path: Path, classes: ClassFile | None) -> np.ndarray | None:
    """The column of labels, (P,) int64, as indices into the classes."""
    column = _column(cloud, (classes.label,) if classes and classes.label else USUAL_LABELS)
    if column is None or classes is not None:
        return None if column is None or classes is None else classes.segment(column, str(path))
    whole = np.nan_to_num(column.astype(np.float64), nan=IGNORE)
    if (whole != np.round(whole)).any() or whole.min() < IGNORE or whole.max() > 254:
        raise InputError(f"{path}: labels from {whole.min():g} to {whole.max():g}; say what they mean with classes=")
    return whole.astype(np.int64)


def _numbered(labels: np.ndarray | None) -> Classes:
    return Classes(tuple(f"class {k}" for k in range(1 if labels is None else max(int(labels.max()) + 1, 1))))
