"""Draw a cloud as a PNG file with the name of each labeled point beside it, such as the number of a click."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from pcseg.classes import IGNORE
from pcseg.files import atomic_path
from pcseg.vis.cutaway import inside
from pcseg.vis.png import MOST_POINTS, frame, render
from pcseg.vis.view import CloudView


def write_numbered(path: str | os.PathLike[str], view: CloudView, azimuth: float = -60.0, width: int = 1200) -> Path:
    """Write the picture of ``view``, which has labels, to ``path``, atomically, and return the path.

    A dot and the name of its class mark each labeled point, also where other points hide it. The camera is that of
    :func:`pcseg.vis.png.write_png`; the title counts the labeled points that were cut away with ceiling and near walls.
    """
    assert view.labels is not None
    thin = view.framed().thinned(MOST_POINTS, np.random.default_rng(0))
    opened = thin.take(inside(thin.coord, azimuth))
    panels = render(replace(thin, labels=None, truth=None, prediction=None, confidence=None), azimuth, width)
    image = panels[thin.layers[0]]
    assert opened.labels is not None
    rows = np.flatnonzero(opened.labels != IGNORE)
    pixel = frame(opened.coord, azimuth, width).project(opened.coord[rows])[0] / 2
    high, wide = image.shape[:2]
    figure = Figure(figsize=(wide / 100, high / 100 + 0.4), dpi=100, facecolor="white")
    axes = figure.add_axes((0, 0, 1, high / (high + 40)))
    axes.imshow(image, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    axes.set_xlim(0, wide)
    axes.set_ylim(high, 0)
    axes.scatter(pixel[:, 0], pixel[:, 1], s=14, c="red", edgecolors="white", linewidths=0.6)
    for (x, y), label in zip(pixel, opened.labels[rows], strict=True):
        text = axes.text(x + 4, y - 4, view.classes.names[label], fontsize=8, parse_math=False, clip_on=True)
        text.set_path_effects([withStroke(linewidth=2, foreground="white")])
    hidden = int((view.labels != IGNORE).sum()) - len(rows)
    cut = f"; {hidden:,} more on the ceiling or a near wall, cut away here" if hidden else ""
    title = f"{view.name}: {len(rows):,} points to label{cut}"
    figure.text(0.01, 1 - 0.2 / (high / 100 + 0.4), title, fontsize=11, va="center", parse_math=False)
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        FigureCanvasAgg(figure).print_png(stream)
    return Path(path)
