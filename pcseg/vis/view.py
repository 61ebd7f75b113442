"""A cloud and all that can be drawn of it: a dataclass, and the colors of each of its layers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.vis.box import far_away
from pcseg.vis.paint import RIGHT, UNKNOWN, WRONG, fraction, gray, ramp, spread

TITLES = {
    "color": "Color",
    "intensity": "Intensity",
    "height": "Height",
    "truth": "Ground truth",
    "prediction": "Prediction",
    "errors": "Errors",
    "labeled": "Training labels",
    "spread": "Spread labels",
    "weight": "Weight of labels",
    "confidence": "Confidence",
}
"""The layers in the order of their buttons and panels, and their titles."""
NUMBERS = ("intensity", "height", "weight", "confidence")
"""The layers of numbers, drawn by a color scale."""
CLASS_LAYERS = ("truth", "prediction", "labels", "spread")
"""The fields that hold classes."""


@dataclass(frozen=True)
class CloudView:
    """P points of one scene; all arrays but ``coord`` and ``origin`` may be None.

    ``coord`` (P, 3): meters, z up. ``color`` (P, 3): uint8. ``intensity`` (P,): any range. ``confidence`` (P,): in
    [0, 1]. ``truth``, ``prediction``, ``labels`` and ``spread`` (P,): integers, an index into ``classes`` or IGNORE;
    ``labels`` are the few that were given, ``spread`` all that training sees, with ``weight`` (P,) in [0, 1], where
    labels were spread or guessed. ``origin`` (3,) float64: ``coord + origin`` are the coordinates in the file. ``rows``
    (P,): the index of each point in the file; None if the view holds all points in order. ``notes``: remarks for the
    user, one line each. ``size`` (H, W): the points are the pixels of a picture, row by row. Raises InputError if
    lengths or values do not fit, or if there is no point.
    """

    name: str
    coord: np.ndarray
    classes: Classes
    color: np.ndarray | None = None
    truth: np.ndarray | None = None
    prediction: np.ndarray | None = None
    labels: np.ndarray | None = None
    confidence: np.ndarray | None = None
    origin: np.ndarray = field(default_factory=lambda: np.zeros(3))
    intensity: np.ndarray | None = None
    rows: np.ndarray | None = None
    spread: np.ndarray | None = None
    weight: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _text(self.name))
        object.__setattr__(self, "notes", tuple(map(_text, self.notes)))
        count = len(self.coord)
        if self.coord.ndim != 2 or self.coord.shape[1] != 3 or count == 0:
            raise InputError(
                f"{self.name}: coordinates of shape {self.coord.shape}; give (P, 3) with at least one point"
            )
        if not np.isfinite(self.coord).all():
            raise InputError(f"{self.name}: some coordinates are NaN or infinite; leave those points out")
        if self.color is not None and (self.color.shape != (count, 3) or self.color.dtype != np.uint8):
            raise InputError(f"{self.name}: color {self.color.dtype} {self.color.shape}; give uint8 ({count}, 3)")
        for name in CLASS_LAYERS:
            self._check_labels(name, getattr(self, name))
        for name in ("confidence", "weight", "intensity", "rows"):
            value = getattr(self, name)
            if value is not None and value.shape != (count,):
                raise InputError(f"{self.name}: {name} of {len(value)} points for {count} points; give one per point")

    def _check_labels(self, what: str, value: np.ndarray | None) -> None:
        if value is None:
            return
        if value.shape != (len(self),) or not np.issubdtype(value.dtype, np.integer):
            raise InputError(
                f"{self.name}: {what} is {value.dtype} {value.shape} for {len(self)} points; "
                "give one class index per point"
            )
        wrong = (value < IGNORE) | (value >= len(self.classes))
        if wrong.any():
            raise InputError(
                f"{self.name}: {what} holds {value[wrong][0]}, but there are {len(self.classes)} classes; "
                "fix the class list"
            )

    def __len__(self) -> int:
        return len(self.coord)

    def take(self, chosen: np.ndarray) -> CloudView:
        """Return the view of the points that ``chosen``, a mask (P,) or indices, selects."""
        fields = ("coord", "color", "intensity", *CLASS_LAYERS, "weight", "confidence")
        taken: dict[str, Any] = {f: None if getattr(self, f) is None else getattr(self, f)[chosen] for f in fields}
        rows = np.arange(len(self)) if self.rows is None else self.rows
        return replace(self, **taken, rows=rows[chosen], size=None)

    def thinned(self, most: int, rng: np.random.Generator) -> CloudView:
        """Return the view of at most ``most`` points: a random choice, labeled points first, in the same order."""
        if len(self) <= most:
            return self
        order = rng.permutation(len(self))
        if self.labels is not None:
            order = order[np.argsort(self.labels[order] == IGNORE, kind="stable")]
        return self.take(np.sort(order[:most]))

    def framed(self) -> CloudView:
        """Return the view without the points too far from the others for one picture; a note counts them."""
        away = far_away(self.coord)
        if not away.any():
            return self
        at = " ".join(f"{value:g}" for value in self.coord[away.argmax()] + self.origin)
        note = f"{int(away.sum()):,} points far from all others are not shown (the first is at {at})"
        return replace(self.take(~away), notes=(*self.notes, note))

    def grouped(self, most: int) -> CloudView:
        """Return the view with at most ``most`` classes: the rarest become one class, with a note."""
        if len(self.classes) <= most:
            return self
        layers = {name: getattr(self, name) for name in CLASS_LAYERS}
        layers = {name: values for name, values in layers.items() if values is not None}
        counts = sum(np.bincount(values[values != IGNORE], minlength=len(self.classes)) for values in layers.values())
        kept = np.sort(np.argsort(-np.asarray(counts), kind="stable")[: most - 1])
        rest = len(self.classes) - len(kept)
        table = np.full(len(self.classes) + 1, len(kept))
        table[kept], table[-1] = np.arange(len(kept)), IGNORE
        classes = Classes((*(self.classes.names[k] for k in kept), f"{rest:,} other classes"))
        note = f"{len(self.classes):,} classes, of which the {rest:,} rarest are shown as one"
        return replace(
            self, classes=classes, notes=(*self.notes, note), **{name: table[v] for name, v in layers.items()}
        )

    @property
    def accuracy(self) -> float | None:
        """The fraction of the points with a true class that are predicted right; None if there are none."""
        if self.truth is None or self.prediction is None or not (self.truth != IGNORE).any():
            return None
        known = self.truth != IGNORE
        return float((self.prediction[known] == self.truth[known]).mean())

    @property
    def facts(self) -> list[str]:
        """The phrases of a caption: how many points are predicted right, how many are labeled."""
        facts = [] if self.accuracy is None else [f"{100 * self.accuracy:.1f} % predicted right"]
        return facts if self.labels is None else [*facts, f"{int((self.labels != IGNORE).sum()):,} labeled"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers that can be drawn, in the order of TITLES; "height" if there are no colors."""
        colored = self.color is not None and bool(self.color.any())  # scans without colors are often stored as black
        available = {
            "color": colored,
            "intensity": self.intensity is not None,
            "height": not colored,
            "truth": self.truth is not None,
            "prediction": self.prediction is not None,
            "errors": self.truth is not None and self.prediction is not None,
            "labeled": self.labels is not None,
            "spread": self.spread is not None,
            "weight": self.weight is not None,
            "confidence": self.confidence is not None,
        }
        return tuple(layer for layer in TITLES if available[layer])

    def scale(self, layer: str) -> tuple[np.ndarray, float, float]:
        """Return the numbers (P,) of a layer in NUMBERS, and the two at the ends of its color scale."""
        if layer == "height":
            height = self.coord[:, 2] + self.origin[2]
            return height, *spread(height)
        if layer == "intensity":
            assert self.intensity is not None
            return self.intensity, *spread(self.intensity)
        numbers = self.weight if layer == "weight" else self.confidence
        assert numbers is not None
        return numbers, 0.0, 1.0

    def paint(self, layer: str) -> np.ndarray:
        """Return the colors (P, 3) uint8 of a layer in ``layers``; points of unknown class are gray."""
        if layer == "color":
            assert self.color is not None
            return self.color
        if layer in NUMBERS:
            return (gray if layer == "intensity" else ramp)(fraction(*self.scale(layer)))
        if layer == "errors":
            return np.array([RIGHT, WRONG, UNKNOWN], np.uint8)[self.errors]
        labels = self.labels if layer == "labeled" else getattr(self, layer)
        assert labels is not None
        rest = RIGHT if layer == "labeled" else UNKNOWN
        return np.vstack([self.classes.palette(), np.array([rest], np.uint8)])[labels]  # IGNORE is -1: the last row

    @property
    def errors(self) -> np.ndarray:
        """For each point (P,) uint8: 0 if predicted right, 1 if wrong, 2 if its true class is unknown."""
        assert self.truth is not None
        assert self.prediction is not None
        return np.where(self.truth == IGNORE, 2, self.truth != self.prediction).astype(np.uint8)


def _text(name: str) -> str:
    """Return ``name``, perhaps of a file, with escapes for bytes that are not UTF-8."""
    return name.encode(errors="backslashreplace").decode()
