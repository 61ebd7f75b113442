"""The random order of a scene's points, by which budgets are drawn and ties are broken."""

from __future__ import annotations

import hashlib

import numpy as np

from pcseg.errors import InputError


def scene_order(seed: int, scene_name: str, count: int) -> np.ndarray:
    """Return the random order (P,) of a scene's points, a function of the seed and the scene's name."""
    check_seed(seed)
    name = int.from_bytes(hashlib.sha256(scene_name.encode(errors="surrogateescape")).digest()[:8], "little")
    return np.random.default_rng([seed, name]).permutation(count)


def check_seed(seed: int) -> None:
    """Raise InputError for a seed below 0."""
    if seed < 0:
        raise InputError(f"seed={seed}: must be 0 or more")
