"""Draw the layers of a picture as pictures."""

from __future__ import annotations

import numpy as np

from pcseg.classes import IGNORE
from pcseg.vis.view import CloudView

LEAST = 320
"""Pixels along the longer edge of a panel: smaller pictures are magnified by a whole number."""


def pixel_panels(view: CloudView) -> dict[str, np.ndarray]:
    """Return the panel (height, width, 3) uint8 of each layer of a view whose points are the pixels of a picture.

    Given labels are drawn over the picture in gray.
    """
    assert view.size is not None
    height, width = view.size
    times = max(1, -(-LEAST // max(height, width)))
    found = {}
    for layer in view.layers:
        colors = view.paint(layer)
        if layer == "labeled" and view.color is not None:
            assert view.labels is not None
            gray = 128 + view.color.mean(axis=1, keepdims=True).repeat(3, axis=1) / 2
            colors = np.where((view.labels == IGNORE)[:, None], gray, colors).astype(np.uint8)
        found[layer] = colors.reshape(height, width, 3).repeat(times, axis=0).repeat(times, axis=1)
    return found
