"""Read the prediction of a cloud from a file, and turn its numbers into the classes of a view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pcseg.archives import read_array
from pcseg.errors import InputError, reason
from pcseg.formats import Cloud, read_cloud
from pcseg.formats.columns import USUAL_LABELS
from pcseg.scenes.places import usable
from pcseg.vis.numbers import all_in, read_numbers, table_of
from pcseg.vis.view import CloudView


@dataclass(frozen=True)
class Prediction:
    """The prediction in the file ``path``: ``numbers`` (P,), and ``confidence`` (P,) or None.

    ``positions``: True if the numbers are probably positions in the list of classes, as in the .npy files of
    tools/evaluate.py; False if they are probably the numbers of the classes in the user's scans, as in the files of
    tools/predict.py. ``notes``: remarks on the file for the user, one line each. ``coord`` (P, 3): the points as the
    file has them, None for a .npy file.
    """

    path: Path
    numbers: np.ndarray
    confidence: np.ndarray | None
    positions: bool
    notes: tuple[str, ...] = ()
    coord: np.ndarray | None = None


def read_prediction(path: Path) -> Prediction:
    """Return the prediction in a .npy file (tools/evaluate.py) or in a point file (tools/predict.py).

    A .npy file holds one label per point, a point file a column of labels and perhaps one of confidences, both in the
    order of the points. Raises InputError if the file cannot be read or has no column of labels.
    """
    if path.suffix.lower() == ".npy":
        array = _array(path)
        if array.ndim == 1 and array.dtype.kind in "biuf":
            return Prediction(path, array, None, positions=True)
    cloud = read_cloud(path)
    numbers = column(cloud, USUAL_LABELS)
    if numbers is None:
        raise InputError(f"{path}: no column of labels (found {', '.join(cloud.fields) or 'none'}); name it label")
    notes = tuple(defect_notes(cloud, path))
    return Prediction(path, numbers, column(cloud, ("confidence",)), positions=False, notes=notes, coord=cloud.coord)


def with_prediction(view: CloudView, prediction: Prediction) -> CloudView:
    """Return ``view`` with ``prediction``; raises InputError if its points are others or in another order."""
    numbers, path = prediction.numbers, prediction.path
    if len(numbers) != len(view):
        raise InputError(
            f"{path}: {len(numbers)} labels for the {len(view)} points of {view.name}; predict that cloud again"
        )
    if prediction.coord is not None and not _same_points(prediction.coord, view.coord + view.origin):
        raise InputError(
            f"{path}: its points are others than those of {view.name}, or in another order; draw the file itself, or "
            "predict the scene with tools/evaluate.py predictions=true"
        )
    codes, positions = table_of(view.classes), {k: k for k in range(len(view.classes))}
    tables = [positions, codes] if prediction.positions else [codes, positions]
    table = next((table for table in tables if all_in(numbers, table)), tables[0])
    labels, notes = read_numbers(numbers, table, path.name)
    if table != tables[0]:
        other = "the numbers of the scans" if prediction.positions else "positions in the list of classes"
        notes.append(f"{path.name}: its labels are taken as {other}")
    confidence = prediction.confidence
    if confidence is not None:
        confidence = np.nan_to_num(confidence.astype(np.float32))
    return replace(view, prediction=labels, confidence=confidence, notes=(*view.notes, *prediction.notes, *notes))


def _same_points(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether nearly all usable rows of two lists of points (P, 3), in meters, are the same to a centimeter.

    Coordinates that float32 cannot hold to that are compared as far as it can.
    """
    rows = usable(one) & usable(other)
    one, other = one[rows], other[rows]
    digits = np.maximum(0.01, 4 * np.spacing(np.abs(other).astype(np.float32)))
    return not rows.any() or bool((np.abs(one - other) <= digits).all(axis=1).mean() > 0.99)


def column(cloud: Cloud, names: tuple[str, ...]) -> np.ndarray | None:
    """Return the first numeric column (P,) of the cloud with one of ``names``, in any case; None if there is none."""
    by_name = {name.lower(): values for name, values in cloud.fields.items() if values.dtype.kind in "biuf"}
    return next((by_name[name.lower()] for name in names if name.lower() in by_name), None)


def defect_notes(cloud: Cloud, path: Path) -> list[str]:
    """Return a note for each defect of a cloud read from ``path``; the notes name the file without its folders."""
    return [str(defect).replace(str(path), path.name) for defect in cloud.defects]


def _array(path: Path) -> np.ndarray:
    try:
        with open(path, "rb") as stream:
            array = read_array(stream, path.stat().st_size)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except Exception as error:  # numpy and Python's own parser each fail in several ways; all mean the same
        raise InputError(f"{path}: not a readable .npy file ({reason(error)}); write it again") from error
    if array is None:
        raise InputError(f"{path}: holds pickled objects; write it again as an array of numbers")
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
