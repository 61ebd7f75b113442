"""Write small pictures and masks for tests, in the layouts of the releases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (6, 8)
"""Rows and columns of a picture."""


def picture(path: Path, seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Write random colors (H, W, 3) to ``path`` and return them."""
    colors = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(colors).save(path)
    return colors


def mask(
    path: Path, numbers: list[int], seed: int = 0, size: tuple[int, int] = SIZE, kind: type = np.uint8
) -> np.ndarray:
    """Write a mask of some of ``numbers``, all of them in it, to ``path`` and return it (H, W)."""
    drawn = np.random.default_rng(seed).choice(numbers, size)
    drawn.flat[: len(numbers)] = numbers
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn.astype(kind)).save(path)
    return drawn
