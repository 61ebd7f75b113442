"""Choose pseudo labels so that their classes have given shares: thresholds per class, and a draw among equals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcseg.checks import from_zero_to_one
from pcseg.classes import IGNORE

_OCTAVES, _EACH = 25, 400

BINS = _OCTAVES * _EACH
"""Bins of confidence: each is as wide as 0.17 % of the doubt 1 - confidence, down to that of float32, 2^-24. A
confidence of 1 has the last bin to itself."""


def confidence_bins(confidence: np.ndarray) -> np.ndarray:
    """Return the bin (P,) int64, from 0 for the least sure to BINS - 1, of each ``confidence`` (P,) in [0, 1].

    Sure networks differ in their doubt by orders of magnitude: bins of equal width would take them all for equal.
    """
    doubt = np.maximum(1 - np.asarray(confidence, dtype=np.float64), 2.0**-_OCTAVES)
    return np.minimum(np.floor(-_EACH * np.log2(doubt)).astype(np.int64), BINS - 1)


def sketch_confidence(labels: np.ndarray, confidence: np.ndarray, n_classes: int) -> np.ndarray:
    """Return how many elements (K, BINS) int64 of each predicted class are how sure; sketches of parts add up.

    ``labels`` (P,), the predicted classes, IGNORE for none, and ``confidence`` (P,) in [0, 1]. It stands for the list
    of all confidences, at a size that does not depend on their number.
    """
    there = labels != IGNORE
    cell = labels[there].astype(np.int64) * BINS + confidence_bins(confidence[there])
    return np.bincount(cell, minlength=n_classes * BINS).reshape(n_classes, BINS)


@dataclass(frozen=True)
class Selection:
    """The rule that keeps a given number of the surest elements of each class, in expectation.

    Of class k those of a bin above ``bin`` (K,) are kept, and a ``share`` (K,) of those in it, at random.
    """

    bin: np.ndarray
    share: np.ndarray

    @classmethod
    def surest(cls, sketch: np.ndarray, wanted: np.ndarray) -> Selection:
        """Return the rule that keeps ``wanted`` (K,) elements of each class of ``sketch`` (K, BINS), or all it has.

        Class-balanced self-training (CBST, ECCV 2018) wants one share of what is predicted for each class.
        """
        at_least = sketch[:, ::-1].cumsum(axis=1)[:, ::-1]
        wanted = np.minimum(wanted, at_least[:, 0])
        lowest = (at_least >= wanted[:, None]).sum(axis=1) - 1
        row = np.arange(len(sketch))
        inside = sketch[row, lowest]
        above = at_least[row, lowest] - inside
        return cls(lowest, (wanted - above) / np.maximum(inside, 1))

    def __call__(self, labels: np.ndarray, confidence: np.ndarray, lots: np.ndarray) -> np.ndarray:
        """Return (P,) bool: which of the predicted ``labels`` (P,) are kept; of IGNORE none is.

        ``lots`` (P,), random numbers in [0, 1), decide in the bins of the thresholds.
        """
        at, threshold = confidence_bins(confidence), self.bin[labels]
        kept = (at > threshold) | ((at == threshold) & (lots < self.share[labels]))
        return kept & (labels != IGNORE)


def aligned(sketch: np.ndarray, prior: np.ndarray, alpha: float) -> Selection:
    """Return the rule that labels a part ``alpha`` of N unlabeled elements, with the classes in shares ``prior`` (K,).

    Distribution alignment and random sampling (DARS, He et al., ICCV 2021): n_k = alpha prior_k N of the surest of
    class k, N those of ``sketch`` (K, BINS). By confidence alone frequent classes, which networks are surest of, would
    gain. Where the threshold is a confidence that more elements share than are wanted, as the 1.0 of a sure network, it
    is drawn among these; the authors draw among all that reach it. Raises InputError for a part outside [0, 1].
    """
    from_zero_to_one(alpha=alpha)
    return Selection.surest(sketch, alpha * prior / prior.sum() * sketch.sum())
