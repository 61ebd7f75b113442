"""A labelled cloud as a .ply file: each point with its class as a colour and as a number."""

from __future__ import annotations

import os
from pathlib import Path

from pcseg.data.readers import write_cloud
from pcseg.vis.view import CloudView


def write_ply(path: str | os.PathLike[str], view: CloudView) -> Path:
    """Write the prediction of ``view`` (else its truth) to ``path``, atomically, in the order of its points.

    Columns: x y z, red green blue (the class), label, and confidence where known. A view of neither prediction nor truth
    keeps the scan's colours.
    """
    layer = next((name for name in ("prediction", "truth") if name in view.layers), "colour")
    labels = view.truth if view.prediction is None else view.prediction
    write_cloud(path, view.coord + view.origin, color=view.paint(layer), labels=labels, confidence=view.confidence)
    return Path(path)
