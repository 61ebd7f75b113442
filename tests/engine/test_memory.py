"""Memory of this process: its peak, and what is kept once freed."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import numpy as np
import pytest

from pcseg.engine.memory import peak_memory


def test_the_peak_of_memory_stays_after_it_is_free_again() -> None:
    before = peak_memory()["cpu"]
    np.ones(int((before + 0.25) * 2**30), dtype=np.uint8)  # more than the process and what it was forked from ever held
    after = peak_memory()["cpu"]
    assert before + 0.25 <= after < 2 * before + 0.3


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="no glibc")
def test_freed_memory_is_kept_for_what_comes_next() -> None:
    """Pages mapped by a loop that takes 64 MB again and again, in a process that other tests do not share."""
    found = []
    for keep in (False, True):
        words = [sys.executable, "-c", LOOP, str(int(keep))]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        found.append(int(done.stdout))
    mapped_anew, kept = found
    assert kept < 0.1 * mapped_anew


LOOP = """
import resource, sys
import torch
from pcseg.engine.memory import keep_freed_memory

if sys.argv[1] == "1":
    keep_freed_memory()
for turn in range(30):
    if turn == 20:  # it takes a while to have room in the right places
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
