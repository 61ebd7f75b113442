"""The loss on a teacher's decisions, of which each counts by its confidence."""

from __future__ import annotations

from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.losses.consistency import pseudo_label_cross_entropy


def confident_cross_entropy(logits: Tensor, labels: Tensor, confidence: Tensor) -> Tensor:
    """Return ``sum_v confidence_v ce_v / V``: the cross-entropy with the V decisions of a teacher that are trusted.

    ``logits`` (E, K), ``labels`` (E,) int64, IGNORE where a decision is not trusted, ``confidence`` (E,) in [0, 1]: the
    confidence-weighted loss of CW-BASS (arXiv 2502.15152, its released code), for a power of the confidence. The mean
    is over the trusted ones alone: however few they are, they weigh as much. Computed in float32 or float64. Without
    trusted decisions it is 0.
    """
    trusted = labels != IGNORE
    return pseudo_label_cross_entropy(logits[trusted], labels[trusted], confidence[trusted])
