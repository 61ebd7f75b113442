"""Settings of every test: one torch thread, so that workers share the cores; no GPU, Triton interpreted."""

from __future__ import annotations

import os

import torch

torch.set_num_threads(1)
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is imported
