"""Schedules of rates and weights: pure functions of progress in [0, 1], so that a resumed run needs no state."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pcseg.errors import InputError


def _check_warmup(warmup: float) -> None:
    if not 0 <= warmup < 1:
        raise InputError(f"optim.schedule.warmup: {warmup:g} is not a share of the steps; give 0 to below 1")


@dataclass(frozen=True)
class OneCycle:
    """Cosine rise from ``1/div`` to 1 during ``warmup`` of the steps, then cosine fall to ``1/(div * final_div)``.

    The schedule of Smith and Topin, "Super-Convergence" (arXiv 1708.07120), with the annealing and the defaults of
    torch.optim.lr_scheduler.OneCycleLR; momentum stays constant.
    """

    warmup: float = 0.05
    div: float = 10.0
    final_div: float = 1000.0

    def __post_init__(self) -> None:
        _check_warmup(self.warmup)

    def __call__(self, progress: float) -> float:
        """Factor on the peak rate at ``progress`` in [0, 1] of the stage."""
        first, last = 1 / self.div, 1 / (self.div * self.final_div)
        if progress < self.warmup:
            return _cosine(first, 1.0, progress / self.warmup)
        return _cosine(1.0, last, (progress - self.warmup) / (1 - self.warmup))


@dataclass(frozen=True)
class Cosine:
    """Linear rise from 0 during ``warmup`` of the steps, then cosine fall to ``floor`` (arXiv 1608.03983)."""

    warmup: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check_warmup(self.warmup)

    def __call__(self, progress: float) -> float:
        """Factor on the peak rate at ``progress`` in [0, 1] of the stage."""
        if progress < self.warmup:
            return progress / self.warmup
        return _cosine(1.0, self.floor, (progress - self.warmup) / (1 - self.warmup))


@dataclass(frozen=True)
class Poly:
    """Linear rise from 0 during ``warmup`` of the steps, then ``(1 - progress) ** power`` (arXiv 1606.00915)."""

    warmup: float = 0.0
    power: float = 0.9

    def __post_init__(self) -> None:
        _check_warmup(self.warmup)

    def __call__(self, progress: float) -> float:
        """Factor on the peak rate at ``progress`` in [0, 1] of the stage."""
        if progress < self.warmup:
            return progress / self.warmup
        return float((1 - (progress - self.warmup) / (1 - self.warmup)) ** self.power)


@dataclass(frozen=True)
class Constant:
    """The peak rate at every step."""

    def __call__(self, progress: float) -> float:
        """Always 1."""
        return 1.0


def linear_ramp(progress: float, start: float, length: float) -> float:
    """0 up to ``progress = start``, then a straight line to 1, reached ``length`` later; all are shares of the run.

    With ``length`` 0 it is a step: 1 as soon as ``progress > start``.
    """
    if progress <= start:
        return 0.0
    return min(1.0, (progress - start) / length) if length > 0 else 1.0


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
