"""Hold the labels of one scene: numbers of labeled points, their classes and their weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcseg.classes import IGNORE
from pcseg.errors import InputError

HIGHEST = 0.999
"""The largest weight of a label that was not given."""


@dataclass(frozen=True)
class SceneLabels:
    """The n labels of one scene.

    ``index`` (n,) int64: numbers of the points, made ascending. ``label`` (n,) int16: their classes; IGNORE where the
    budget was spent on a point that has no class, as with some of ScanNet's official points. ``weight`` (n,) float16
    or None: confidence of each label in (0, 1], for labels that were guessed. ``points``: size P of the cloud;
    ``sha256``: its Scene.digest(). Raises InputError for arrays that do not fit.
    """

    name: str
    points: int
    sha256: str
    index: np.ndarray
    label: np.ndarray
    weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.index) != len(self.label):
            raise InputError(f"labels of {self.name}: {len(self.index)} indices but {len(self.label)} labels")
        for values in (self.index, self.label):
            if np.ndim(values) != 1 or np.asarray(values).dtype.kind not in "iu":
                raise InputError(f"labels of {self.name}: indices and labels must be lists of whole numbers")
        if len(self.label) and not IGNORE <= np.min(self.label) <= np.max(self.label) <= np.iinfo(np.int16).max:
            raise InputError(f"labels of {self.name}: a label is below {IGNORE} or beyond 16 bits")
        order = np.argsort(self.index, kind="stable")
        object.__setattr__(self, "index", np.asarray(self.index, dtype=np.int64)[order])
        object.__setattr__(self, "label", np.asarray(self.label, dtype=np.int16)[order])
        if self.weight is not None:
            object.__setattr__(self, "weight", self._checked(self.weight)[order])
        distinct = bool((np.diff(self.index) > 0).all())
        if not distinct or (len(self.index) and not 0 <= self.index[0] <= self.index[-1] < self.points):
            raise InputError(f"labels of {self.name}: indices must differ and lie in 0 to {self.points - 1}")

    @property
    def count(self) -> int:
        """Number of points that carry a class."""
        return int((self.label != IGNORE).sum())

    def _checked(self, weight: np.ndarray) -> np.ndarray:
        if np.shape(weight) != (len(self.index),) or np.asarray(weight).dtype.kind != "f":
            raise InputError(
                f"labels of {self.name}: give a weight as a decimal number for each of {len(self.index)} labels"
            )
        rounded = np.asarray(weight).astype(np.float16)
        if not ((rounded > 0) & (rounded <= 1)).all():  # in 16 bits, below 3e-8 is 0
            raise InputError(
                f"labels of {self.name}: a weight is not above 0 and at most 1; leave out labels of weight 0"
            )
        return rounded


def packed(labels: np.ndarray, confidence: np.ndarray, known: np.ndarray) -> dict[str, np.ndarray]:
    """Return ``index``, ``label`` and ``weight`` (n,) of the labeled points, as SceneLabels takes them.

    ``known`` (P,) are the given labels, which go before ``labels`` (P,). Only they have weight 1: others have their
    ``confidence`` (P,), at most HIGHEST.
    """
    given = known != IGNORE
    labels = np.where(given, known, labels)
    index = np.flatnonzero(labels != IGNORE)
    weight = np.where(given, 1, np.clip(confidence, np.finfo(np.float16).tiny, HIGHEST))[index]
    return {"index": index, "label": labels[index].astype(np.int16), "weight": weight.astype(np.float16)}
