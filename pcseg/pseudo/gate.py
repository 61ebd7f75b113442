"""Which decisions of a teacher to trust, by its precision on labels that are held back from training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.pseudo.running import move

LEAST = 20
"""Number of sure decisions on held-back labels, recent ones, below which the precision is taken for unknown."""

_STEP = 0x9E3779B97F4A7C15 - 2**64
_MIX = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)


def held_back(point: Tensor, sample: Tensor, names: Sequence[str], share: float, seed: int = 0) -> Tensor:
    """Return (E,) bool: True for a fixed, pseudo-random ``share`` of the points of each scene.

    ``point`` (E,) int64 numbers points within their scene and ``sample`` (E,) int64 scenes in ``names``. Whether a
    point is held back follows from its number, the name of its scene and ``seed`` alone, so it is the same at each
    step, under each augmentation and in each process.
    """
    digests = [hashlib.sha256(f"{seed} {name}".encode()).digest()[:8] for name in names]
    salt = torch.tensor([int.from_bytes(d, "little", signed=True) for d in digests], device=point.device)
    # The finalizer of SplitMix64 (Steele et al., OOPSLA 2014), in int64 that wraps around.
    x = point * _STEP + salt[sample]
    for shift, factor in zip((30, 27), _MIX, strict=True):
        x = (x ^ _right(x, shift)) * factor
    return _right(x ^ _right(x, 31), 40) < share * 2**24


def held_labels(batch: Batch, share: float) -> Tensor:
    """Return (E,) bool: the given labels of a batch, those of weight 1, that are held back (:func:`held_back`).

    None where ``share`` is 0 or points have no numbers to know them by. Where whole scenes are labeled, those around a
    label that is held back are trained on, so that precision there is higher than in other scenes.
    """
    given = batch.labels != IGNORE
    if share == 0 or batch.point is None:
        return torch.zeros_like(given)
    if batch.weights is not None:
        given = given & (batch.weights == 1)
    return given & held_back(batch.point, batch.sample, batch.names, share)


class PrecisionGate(nn.Module):
    """Accepts a teacher's decisions at confidence ``threshold`` only where held-back labels confirm that precision.

    The gate of CW-BASS v2 (arXiv 2608.12773): pi, the precision of decisions of at least that confidence on labels
    never trained on, is measured all along. Where pi >= threshold, decisions of that confidence are accepted; else
    those above a floor of their class, the running mean of the confidence of decisions for it, which follows a teacher
    that is too sure (or never sure) of itself and keeps a part of every class. (There 0.95 of that mean, scaled
    by class, is taken: of a teacher that is always sure it lets all pass.) ``momentum`` is that of both statistics,
    from batch to batch. Raises InputError for numbers out of range.
    """

    right: Tensor
    sure: Tensor
    floor: Tensor
    met: Tensor

    def __init__(self, n_classes: int, threshold: float = 0.95, momentum: float = 0.99) -> None:
        super().__init__()
        if not (0 < threshold <= 1 and 0 <= momentum < 1):
            raise InputError(f"threshold={threshold:g}, momentum={momentum:g}: give above 0 to 1, and 0 to below 1")
        self.threshold, self.momentum = threshold, momentum
        self.register_buffer("right", torch.zeros(()))
        self.register_buffer("sure", torch.zeros(()))
        self.register_buffer("floor", torch.zeros(n_classes))
        self.register_buffer("met", torch.zeros(n_classes, dtype=torch.bool))

    @property
    def precision(self) -> Tensor:
        """The share pi of sure decisions on held-back labels that were right; 0 while too few were made."""
        return torch.where(self.sure >= LEAST, self.right / self.sure.clamp(min=LEAST), 0)

    @torch.no_grad()
    def update(self, confidence: Tensor, decision: Tensor, held: Tensor) -> None:
        """Take a batch in: ``confidence`` (E,), ``decision`` (E,) int64 of the teacher, ``held`` (E,) held-back labels.

        ``held`` is IGNORE wherever no label is held back.
        """
        sure = (held != IGNORE) & (confidence >= self.threshold)
        for total, now in ((self.sure, sure), (self.right, sure & (decision == held))):
            total.mul_(self.momentum).add_(now.sum())
        count = torch.zeros_like(self.floor).index_add_(0, decision, torch.ones_like(confidence, dtype=torch.float32))
        mean = torch.zeros_like(self.floor).index_add_(0, decision, confidence.float()) / count.clamp(min=1)
        move(self.floor, self.met, mean, count > 0, self.momentum)

    def forward(self, confidence: Tensor, decision: Tensor) -> Tensor:
        """Return (E,) bool: the decisions that are accepted."""
        strict = self.precision >= self.threshold
        return confidence >= torch.where(strict, self.threshold, self.floor[decision])


def _right(x: Tensor, bits: int) -> Tensor:
    """Return ``x`` (E,) int64 shifted right by ``bits``, filled with zeros."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
