"""Counts of predicted against true classes, and IoU and accuracy from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from pcseg.classes import IGNORE
from pcseg.errors import InputError


class ConfusionMatrix:
    """Confusion matrix of K classes: ``counts[t, p]``, (K, K) int64, elements of true class t were predicted as p.

    Matrices add with ``+``. A class is absent if no element has it as its truth: its IoU and accuracy are NaN and left
    out of the means. An element wrongly predicted as an absent class still counts against its true class.
    """

    def __init__(self, n_classes: int) -> None:
        self.counts = np.zeros((n_classes, n_classes), dtype=np.int64)

    def add(self, prediction: ArrayLike, truth: ArrayLike) -> None:
        """Count elements (E,); elements whose ``truth`` is IGNORE are left out.

        Raises InputError where a class is outside [0, K) or the lengths differ.
        """
        predicted, true = np.asarray(prediction).reshape(-1), np.asarray(truth).reshape(-1)
        if predicted.shape != true.shape:
            raise InputError(f"{len(predicted)} predictions for {len(true)} labels; give one for each label")
        known = true != IGNORE
        predicted, true = predicted[known].astype(np.int64), true[known].astype(np.int64)
        n_classes = len(self.counts)
        for name, classes in (("predicted", predicted), ("true", true)):
            if len(classes) and not (classes.min() >= 0 and classes.max() < n_classes):
                raise InputError(f"{name} classes {classes.min()} to {classes.max()}; give 0 to {n_classes - 1}")
        self.counts += np.bincount(true * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        if self.counts.shape != other.counts.shape:
            found = f"{len(self.counts)} and {len(other.counts)} classes"
            raise InputError(f"confusion matrices of {found}; add matrices of the same classes")
        total = ConfusionMatrix(len(self.counts))
        total.counts = self.counts + other.counts
        return total

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union per class, (K,) float64 in [0, 1]."""
        hits, true, predicted = np.diag(self.counts), self.counts.sum(axis=1), self.counts.sum(axis=0)
        return _share(hits, np.where(true > 0, true + predicted - hits, 0))

    @property
    def miou(self) -> float:
        """Mean IoU over the classes present, in [0, 1]; NaN if nothing was counted."""
        return _mean(self.iou)

    @property
    def class_accuracy(self) -> np.ndarray:
        """Share of each class's elements that were predicted as it, (K,) float64 in [0, 1]."""
        return _share(np.diag(self.counts), self.counts.sum(axis=1))

    @property
    def accuracy(self) -> float:
        """Share of all elements that were predicted correctly, in [0, 1]; NaN if nothing was counted."""
        return float(_share(np.trace(self.counts), self.counts.sum()))

    def table(self, names: Sequence[str]) -> str:
        """Return IoU and accuracy in percent and the number of elements as text, a line per class and one for means."""
        width = max(len(name) for name in (*names, "class", "mean"))
        rows = [f"{'class':<{width}}  {'IoU %':>6}  {'acc. %':>6}  {'elements':>12}"]
        lines = [*zip(names, self.iou, self.class_accuracy, self.counts.sum(axis=1), strict=True)]
        lines.append(("mean", self.miou, _mean(self.class_accuracy), self.counts.sum()))
        rows += [
            f"{name:<{width}}  {_percent(iou):>6}  {_percent(accuracy):>6}  {count:>12,}"
            for name, iou, accuracy, count in lines
        ]
        return "\n".join([*rows, f"overall accuracy {_percent(self.accuracy)} %"])


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where whole is 0."""
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _mean(values: np.ndarray) -> float:
    """Return the mean of the values that are not NaN; NaN if there is none."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")


def _percent(value: float) -> str:
    """Return a share in percent with one decimal, or "-" for NaN."""
    return "-" if np.isnan(value) else f"{100 * value:.1f}"
