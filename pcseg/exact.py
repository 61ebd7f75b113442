"""Sums and exponentials of scores, in a type that is wide enough, and fast where elements are many and classes few."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, float64

from pcseg.classes import IGNORE


def exact(values: Tensor) -> Tensor:
    """Return ``values`` in float32, or as they are in float64: half precision would lose small probabilities."""
    return values if values.dtype == float64 else values.float()


def softmax(logits: Tensor) -> Tensor:
    """Return the probabilities (E, K) of ``logits`` (E, K), in float32 or float64.

    On a CPU, PyTorch takes several times as long along short rows as along columns, where it computes many elements at
    once; so this and the functions below turn the scores there, and return transposed views.
    """
    wide = exact(logits)
    return wide.T.softmax(dim=0).T if _turn(wide) else wide.softmax(dim=1)


def log_softmax(logits: Tensor) -> Tensor:
    """Return the logarithms (E, K) of the probabilities of ``logits`` (E, K), in float32 or float64."""
    wide = exact(logits)
    return wide.T.log_softmax(dim=0).T if _turn(wide) else wide.log_softmax(dim=1)


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy (E,) of ``logits`` (E, K) with ``labels`` (E,) int64, 0 for IGNORE."""
    wide = exact(logits)
    if not _turn(wide):
        return F.cross_entropy(wide, labels, ignore_index=IGNORE, reduction="none")
    return F.cross_entropy(wide.T[None], labels[None], ignore_index=IGNORE, reduction="none")[0]


def _turn(logits: Tensor) -> bool:
    return logits.device.type == "cpu"
