"""What there is to show of one cloud: a small dataclass, and the colors of each of its layers."""

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
    "confidence": "Confidence",
}
"""The layers, in the order shown, and what they are called."""
NUMBERS = ("intensity", "height", "confidence")
"""The layers that are numbers in a range."""


@dataclass(frozen=True)
class CloudView:
    """P points of one scene and what is known of them; all but ``coord`` and ``classes`` may be None.

    ``coord`` (P, 3) meters, z up; ``color`` (P, 3) uint8; ``intensity`` (P,) of any range; ``truth``, ``prediction`` and
    ``labels`` (P,) integers, an index into ``classes`` or IGNORE, where ``labels`` are the few labels that training was
    given (IGNORE elsewhere); ``confidence`` (P,) in [0, 1]. ``origin`` (3,) float64 is what to add to ``coord`` to be in
    the file's frame, and ``rows`` (P,) the number of each point in the file (None: all of it, in order). ``notes`` are
    what a viewer must be told, a line each. Raises InputError where lengths or values do not fit, or there is no point.
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
    notes: tuple[str, ...] = ()

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
        for name in ("truth", "prediction", "labels"):
            self._check_labels(name, getattr(self, name))
        for name in ("confidence", "intensity", "rows"):
            value = getattr(self, name)
            if value is not None and value.shape != (count,):
                raise InputError(f"{self.name}: {name} of {len(value)} points for {count} points")

    def _check_labels(self, what: str, value: np.ndarray | None) -> None:
        if value is None:
            return
        if value.shape != (len(self),) or not np.issubdtype(value.dtype, np.integer):
            raise InputError(
                f"{self.name}: {what} is {value.dtype} {value.shape} for {len(self)} points; give one class index a point"
            )
        wrong = (value < IGNORE) | (value >= len(self.classes))
        if wrong.any():
            raise InputError(
                f"{self.name}: {what} holds {value[wrong][0]}, but there are {len(self.classes)} classes; fix the class list"
            )

    def __len__(self) -> int:
        return len(self.coord)

    def take(self, chosen: np.ndarray) -> CloudView:
        """The view of some of the points: ``chosen`` is a mask or indices."""
        fields = ("coord", "color", "intensity", "truth", "prediction", "labels", "confidence")
        taken: dict[str, Any] = {f: None if getattr(self, f) is None else getattr(self, f)[chosen] for f in fields}
        rows = np.arange(len(self)) if self.rows is None else self.rows
        return replace(self, **taken, rows=rows[chosen])

    def thinned(self, most: int, rng: np.random.Generator) -> CloudView:
        """At most ``most`` points, drawn at random; a labeled point is kept before all others."""
        if len(self) <= most:
            return self
        order = rng.permutation(len(self))
        if self.labels is not None:
            order = order[np.argsort(self.labels[order] == IGNORE, kind="stable")]
        return self.take(np.sort(order[:most]))

    def framed(self) -> CloudView:
        """The points that a picture can show together, those far away left out with a note."""
        away = far_away(self.coord)
        if not away.any():
            return self
        at = " ".join(f"{value:g}" for value in self.coord[away.argmax()] + self.origin)
        note = f"{int(away.sum()):,} points far from all others are not shown (the first is at {at})"
        return replace(self.take(~away), notes=(*self.notes, note))

    def grouped(self, most: int) -> CloudView:
        """At most ``most`` classes: the rest of them, the rarest, are one class together, which a note tells."""
        if len(self.classes) <= most:
            return self
        layers = {name: getattr(self, name) for name in ("truth", "prediction", "labels")}
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
        """Fraction of the points of known class that are predicted right; None where it cannot be told."""
        if self.truth is None or self.prediction is None or not (self.truth != IGNORE).any():
            return None
        known = self.truth != IGNORE
        return float((self.prediction[known] == self.truth[known]).mean())

    @property
    def facts(self) -> list[str]:
        """What a caption says besides name and size: points predicted right, points labeled."""
        facts = [] if self.accuracy is None else [f"{100 * self.accuracy:.1f} % predicted right"]
        return facts if self.labels is None else [*facts, f"{int((self.labels != IGNORE).sum()):,} labeled"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The names among TITLES that can be shown; the height where there are no colors."""
        colored = self.color is not None and bool(self.color.any())  # all black: a scan that has none
        there = {
            "color": colored,
            "intensity": self.intensity is not None,
            "height": not colored,
            "truth": self.truth is not None,
            "prediction": self.prediction is not None,
            "errors": self.truth is not None and self.prediction is not None,
            "labeled": self.labels is not None,
            "confidence": self.confidence is not None,
        }
        return tuple(layer for layer in TITLES if there[layer])

    def scale(self, layer: str) -> tuple[np.ndarray, float, float]:
        """The numbers (P,) behind a layer of numbers, and those at the two ends of its colors."""
        if layer == "height":
            height = self.coord[:, 2] + self.origin[2]
            return height, *spread(height)
        if layer == "intensity":
            assert self.intensity is not None
            return self.intensity, *spread(self.intensity)
        assert self.confidence is not None
        return self.confidence, 0.0, 1.0

    def paint(self, layer: str) -> np.ndarray:
        """Colors (P, 3) uint8 of a layer out of ``layers``; points of unknown class are gray."""
        if layer == "color":
            assert self.color is not None
            return self.color
        if layer in NUMBERS:
            return (gray if layer == "intensity" else ramp)(fraction(*self.scale(layer)))
        if layer == "errors":
            return np.array([RIGHT, WRONG, UNKNOWN], np.uint8)[self.errors]
        labels = {"truth": self.truth, "prediction": self.prediction, "labeled": self.labels}[layer]
        assert labels is not None
        rest = RIGHT if layer == "labeled" else UNKNOWN
        return np.vstack([self.classes.palette(), np.array([rest], np.uint8)])[labels]  # IGNORE is -1: the last row

    @property
    def errors(self) -> np.ndarray:
        """Whether each point (P,) is predicted right (0), wrong (1), or that cannot be told (2)."""
        assert self.truth is not None
        assert self.prediction is not None
        return np.where(self.truth == IGNORE, 2, self.truth != self.prediction).astype(np.uint8)


def _text(name: str) -> str:
    """``name``, which may be that of a file, with escapes for what no text in UTF-8 can hold."""
    return name.encode(errors="backslashreplace").decode()
