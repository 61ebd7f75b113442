"""What there is to show of one cloud: a small dataclass, and the colours of each of its layers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pcseg.errors import InputError
from pcseg.labels import IGNORE, Classes

UNKNOWN = (128, 132, 140)
"""Colour of a point whose class is unknown."""
RIGHT, WRONG = (205, 209, 216), (215, 25, 40)
"""Colours of a right and of a wrong prediction; grey and red also part in lightness, for the colour-blind."""
TITLES = {
    "colour": "Colour",
    "truth": "Ground truth",
    "prediction": "Prediction",
    "errors": "Errors",
    "labelled": "Training labels",
    "confidence": "Confidence",
}
"""The layers, in the order shown, and what they are called."""


@dataclass(frozen=True)
class CloudView:
    """P points of one scene and what is known of them; all but ``coord`` and ``classes`` may be None.

    ``coord`` (P, 3) metres, z up; ``color`` (P, 3) uint8; ``truth``, ``prediction`` and ``labels`` (P,) integers, an
    index into ``classes`` or IGNORE, where ``labels`` are the few labels that training was given (IGNORE elsewhere);
    ``confidence`` (P,) in [0, 1]. ``origin`` (3,) float64 is what to add to ``coord`` to be in the file's frame. Raises InputError where lengths or values do not fit, or there is no point.
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

    def __post_init__(self) -> None:
        count = len(self.coord)
        if self.coord.ndim != 2 or self.coord.shape[1] != 3 or count == 0:
            raise InputError(
                f"{self.name}: coordinates of shape {self.coord.shape}; give (P, 3) with at least one point"
            )
        if not np.isfinite(self.coord).all():
            raise InputError(f"{self.name}: some coordinates are NaN or infinite; run tools/prepare.py on the raw file")
        if self.color is not None and (self.color.shape != (count, 3) or self.color.dtype != np.uint8):
            raise InputError(f"{self.name}: colour {self.color.dtype} {self.color.shape}; give uint8 ({count}, 3)")
        for name in ("truth", "prediction", "labels"):
            self._check_labels(name, getattr(self, name))
        if self.confidence is not None and self.confidence.shape != (count,):
            raise InputError(f"{self.name}: {len(self.confidence)} confidences for {count} points")

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

    def take(self, rows: np.ndarray) -> CloudView:
        """The view of some of the points: ``rows`` is a mask or indices."""
        fields = ("coord", "color", "truth", "prediction", "labels", "confidence")
        taken: dict[str, Any] = {f: None if getattr(self, f) is None else getattr(self, f)[rows] for f in fields}
        return replace(self, **taken)

    def thinned(self, most: int, rng: np.random.Generator) -> CloudView:
        """At most ``most`` points, drawn at random; a labelled point is kept before all others."""
        if len(self) <= most:
            return self
        order = rng.permutation(len(self))
        if self.labels is not None:
            order = order[np.argsort(self.labels[order] == IGNORE, kind="stable")]
        return self.take(np.sort(order[:most]))

    @property
    def accuracy(self) -> float | None:
        """Fraction of the points of known class that are predicted right; None where it cannot be told."""
        if self.truth is None or self.prediction is None or not (self.truth != IGNORE).any():
            return None
        known = self.truth != IGNORE
        return float((self.prediction[known] == self.truth[known]).mean())

    @property
    def facts(self) -> list[str]:
        """What a caption says besides name and size: points predicted right, points labelled."""
        facts = [] if self.accuracy is None else [f"{100 * self.accuracy:.1f} % predicted right"]
        return facts if self.labels is None else [*facts, f"{int((self.labels != IGNORE).sum()):,} labelled"]

    @property
    def layers(self) -> tuple[str, ...]:
        """The names among TITLES that can be shown; "colour" always can (by height where the scan has none)."""
        there = {
            "colour": True,
            "truth": self.truth is not None,
            "prediction": self.prediction is not None,
            "errors": self.truth is not None and self.prediction is not None,
            "labelled": self.labels is not None,
            "confidence": self.confidence is not None,
        }
        return tuple(layer for layer in TITLES if there[layer])

    def paint(self, layer: str) -> np.ndarray:
        """Colours (P, 3) uint8 of a layer out of ``layers``; points of unknown class are grey."""
        if layer == "colour":
            return self.color if self.color is not None else ramp(_fraction(self.coord[:, 2]))
        if layer == "errors":
            return self._paint_errors()
        if layer == "confidence":
            assert self.confidence is not None
            return ramp(np.clip(self.confidence, 0, 1))
        labels = {"truth": self.truth, "prediction": self.prediction, "labelled": self.labels}[layer]
        assert labels is not None
        rest = RIGHT if layer == "labelled" else UNKNOWN
        return np.vstack([self.classes.palette(), np.array([rest], np.uint8)])[labels]  # IGNORE is -1: the last row

    def _paint_errors(self) -> np.ndarray:
        assert self.truth is not None
        assert self.prediction is not None
        table = np.array([RIGHT, WRONG, UNKNOWN], np.uint8)
        return table[np.where(self.truth == IGNORE, 2, (self.truth != self.prediction).astype(int))]


def ramp(value: np.ndarray) -> np.ndarray:
    """Colours (P, 3) uint8 of values in [0, 1]: dark violet through teal to light yellow, ever lighter."""
    stops = np.array([(68, 20, 95), (58, 82, 139), (33, 145, 140), (94, 201, 98), (240, 230, 80)], np.float64)
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(value, at, stops[:, c]) for c in range(3)], axis=1).round().astype(np.uint8)


def _fraction(value: np.ndarray) -> np.ndarray:
    low, high = np.percentile(value, (1, 99))
    return np.clip((value - low) / max(high - low, 1e-9), 0, 1)
