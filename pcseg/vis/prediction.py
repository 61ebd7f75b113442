"""What a file predicts for the points of a cloud, and how its numbers come to be classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pcseg.archives import read_array
from pcseg.errors import InputError, reason
from pcseg.formats import Cloud, read_cloud
from pcseg.formats.columns import USUAL_LABELS
from pcseg.vis.numbers import read_numbers, table_of, understood
from pcseg.vis.view import CloudView


@dataclass(frozen=True)
class Prediction:
    """The numbers (P,) that the file ``path`` gives P points, perhaps a confidence (P,) each, and what to tell of it.

    ``positions``: whether the numbers are likely to be positions in the list of classes, as in a .npy file of
    tools/evaluate.py, and not those that stand for the classes in a scan, as tools/predict.py writes them.
    """

    path: Path
    numbers: np.ndarray
    confidence: np.ndarray | None
    positions: bool
    notes: tuple[str, ...] = ()


def read_prediction(path: Path) -> Prediction:
    """A .npy of one label a point (tools/evaluate.py predictions=true), or a point file with a column of labels and perhaps
    one of confidences (tools/predict.py), in the order of the points."""
    if path.suffix.lower() == ".npy":
        array = _array(path)
        if array.ndim == 1 and array.dtype.kind in "biuf":
            return Prediction(path, array, None, positions=True)
    cloud = read_cloud(path)
    numbers = column(cloud, USUAL_LABELS)
    if numbers is None:
        raise InputError(f"{path}: has no column of labels (found {', '.join(cloud.fields) or 'none'}); name it label")
    notes = tuple(told_of(cloud, path))
    return Prediction(path, numbers, column(cloud, ("confidence",)), positions=False, notes=notes)


def predicted(view: CloudView, told: Prediction) -> CloudView:
    """``view`` with the prediction ``told`` of its points; InputError where that is of another number of points."""
    if len(told.numbers) != len(view):
        raise InputError(
            f"{told.path}: {len(told.numbers)} labels for the {len(view)} points of {view.name}; predict that cloud again"
        )
    codes, positions = table_of(view.classes), {k: k for k in range(len(view.classes))}
    tables = [positions, codes] if told.positions else [codes, positions]
    table = next((table for table in tables if understood(told.numbers, table)), tables[0])
    labels, notes = read_numbers(told.numbers, table, told.path.name)
    if table != tables[0]:
        other = "the numbers of the scans" if told.positions else "positions in the list of classes"
        notes.append(f"{told.path.name}: its labels are taken for {other}")
    confidence = None if told.confidence is None else np.nan_to_num(told.confidence.astype(np.float32))
    return replace(view, prediction=labels, confidence=confidence, notes=(*view.notes, *told.notes, *notes))


def column(cloud: Cloud, names: tuple[str, ...]) -> np.ndarray | None:
    """The first of the columns ``names`` of numbers that the cloud has, (P,); upper and lower case are the same."""
    by_name = {name.lower(): values for name, values in cloud.fields.items() if values.dtype.kind in "biuf"}
    return next((by_name[name.lower()] for name in names if name.lower() in by_name), None)


def told_of(cloud: Cloud, path: Path) -> list[str]:
    """What to tell of a cloud read from ``path``, without the folders that it lies in."""
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
