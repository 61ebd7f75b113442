"""For every test: one torch thread, so that the suite's workers do not fight over the cores."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
