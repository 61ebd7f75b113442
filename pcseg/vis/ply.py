"""Write a labeled cloud as a .ply file: each point with its class as a color and as a number."""

from __future__ import annotations

import os
from pathlib import Path

from pcseg.formats import write_cloud
from pcseg.vis.view import CloudView


def write_ply(path: str | os.PathLike[str], view: CloudView) -> Path:
    """Write the prediction of ``view`` (else its truth) to ``path``, atomically, in the order of its points.

    Columns: x y z, red green blue (the color of the class), label (the number of the class in the user's files), and
    confidence where known. Without prediction and truth the colors are those of the view's first layer.
    """
    layer = next((name for name in ("prediction", "truth") if name in view.layers), view.layers[0])
    labels = view.truth if view.prediction is None else view.prediction
    labels = None if labels is None else view.classes.to_codes(labels)
    write_cloud(path, view.coord + view.origin, color=view.paint(layer), labels=labels, confidence=view.confidence)
    return Path(path)
