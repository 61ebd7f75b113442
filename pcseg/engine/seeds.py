"""Seeds made of several numbers, such as a run's own and a step."""

from __future__ import annotations

import numpy as np


def derive(*numbers: int) -> int:
    """Return a seed for torch from several numbers, such that neighbors have nothing in common."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
