"""Draws of nodes that leave the rest of a run as it was."""

from __future__ import annotations

import torch


def derived_generator() -> torch.Generator:
    """Return a generator (CPU) seeded by the global one, which does not move: a network's dropout stays as it was."""
    with torch.random.fork_rng(devices=[]):
        return torch.Generator().manual_seed(int(torch.randint(2**62, ())))
