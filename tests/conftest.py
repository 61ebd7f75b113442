"""Settings of every test: one torch thread, so that workers share the cores; no GPU, Triton interpreted."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

torch.set_num_threads(1)
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is imported


@pytest.fixture(autouse=True)
def _same_environment() -> Iterator[None]:
    """Take back what a test changed in the environment: in another one, programs are not forked but started anew."""
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)
