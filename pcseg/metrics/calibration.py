"""How well the confidence of predictions tells how often they are right."""

from __future__ import annotations

import numpy as np

from pcseg.classes import IGNORE

BINS = 15
"""Number of bins of equal width in [0, 1] (Guo et al., "On calibration of modern neural networks", 2017)."""


class Calibration:
    """Counts of predictions by their confidence: how many (BINS,), how many right, and the sum of confidences."""

    def __init__(self) -> None:
        self.count, self.right, self.confidence = (np.zeros(BINS) for _ in range(3))

    def add(self, prediction: np.ndarray, confidence: np.ndarray, truth: np.ndarray) -> None:
        """Count elements: ``prediction``, ``confidence`` in [0, 1] and ``truth`` (E,), IGNORE left out."""
        known = truth != IGNORE
        sure = np.asarray(confidence, np.float64)[known]
        place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
        self.count += np.bincount(place, minlength=BINS)
        self.right += np.bincount(place, (prediction == truth)[known], minlength=BINS)
        self.confidence += np.bincount(place, sure, minlength=BINS)

    @property
    def error(self) -> float:
        """The expected calibration error in [0, 1]: the mean of abs(share right - mean confidence) over the bins.

        NaN where nothing was counted.
        """
        total = self.count.sum()
        return float(np.abs(self.right - self.confidence).sum() / total) if total else float("nan")
