"""How the weight of a loss grows over a run."""

from __future__ import annotations


def linear_ramp(progress: float, start: float, length: float) -> float:
    """0 up to ``progress = start``, then a straight line to 1, reached ``length`` later; all are shares of the run.

    With ``length`` 0 it is a step: 1 as soon as ``progress > start``.
    """
    if progress <= start:
        return 0.0
    return min(1.0, (progress - start) / length) if length > 0 else 1.0
