"""What a report says of the process that made it."""

from __future__ import annotations

import numpy as np

from pcseg.engine.report import peak_memory


def test_the_peak_of_memory_stays_after_it_is_free_again() -> None:
    before = peak_memory()["cpu"]
    np.ones(int((before + 0.25) * 2**30), dtype=np.uint8)  # more than the process and what it was forked from ever held
    after = peak_memory()["cpu"]
    assert before + 0.25 <= after < 2 * before + 0.3
