"""What a report says of the process that made it."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import numpy as np
from pcseg.engine.report import peak_memory
before = peak_memory()
np.ones(300 * 2**20, dtype=np.uint8)
after = peak_memory()
print(before["cpu"], after["cpu"], after == before | {"cpu": after["cpu"]})
"""


def test_the_peak_of_memory_is_kept_after_it_is_free_again() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120)
    before, after, alike = done.stdout.split()
    assert alike == "True"
    assert float(after) - float(before) == pytest.approx(300 / 1024, abs=0.02)
