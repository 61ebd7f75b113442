"""Draw a cloud as a PNG file, one panel per layer and a legend; needs no display and no graphics card."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import wrap

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pcseg.classes import IGNORE
from pcseg.errors import cut
from pcseg.files import atomic_path
from pcseg.vis.box import core
from pcseg.vis.cutaway import inside
from pcseg.vis.paint import RIGHT, UNKNOWN, WRONG
from pcseg.vis.picture import pixel_panels
from pcseg.vis.splat import Camera, eye_dome, fit_camera, splat, surface
from pcseg.vis.view import TITLES, CloudView

MOST_POINTS = 400_000
"""Points that are drawn; of larger clouds a random choice."""

LEGEND = 2.2
"""Width of the legend in inches (of 100 pixels)."""

MOST_NOTES, MOST_LINES = 3, 5
"""Notes in the picture, and the lines of text they may take."""


def write_png(path: str | os.PathLike[str], view: CloudView, azimuth: float = -60.0, width: int = 640) -> Path:
    """Write the picture of ``view`` to ``path``, atomically, and return the path.

    The camera looks down at 50 degrees into the room, ceiling and near walls cut away. ``azimuth`` (degrees): direction
    from the cloud to the camera. A panel is ``width`` pixels wide; there is one for each layer except confidence and
    weight. Pictures are drawn as they are, all layers.
    """
    if view.size is not None:
        figure = _figure(view, pixel_panels(view), [view.name, f"{view.size[1]} x {view.size[0]} pixels", *view.facts])
        return _write(path, figure)
    thin = view.framed().thinned(MOST_POINTS, np.random.default_rng(0))
    opened = ["ceiling and near walls cut away"] if not inside(thin.coord, azimuth).all() else []
    title = [view.name, f"{len(view):,} points", *view.facts, *opened]
    return _write(path, _figure(thin, render(thin, azimuth, width), title))


def _write(path: str | os.PathLike[str], figure: Figure) -> Path:
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        FigureCanvasAgg(figure).print_png(stream, metadata={"Software": f"pcseg, matplotlib {matplotlib.__version__}"})
    return Path(path)


def render(view: CloudView, azimuth: float = -60.0, width: int = 640) -> dict[str, np.ndarray]:
    """Return the panel of each layer: images (height, width, 3) uint8 on white, all from the same camera."""
    view = view.thinned(MOST_POINTS, np.random.default_rng(0))
    view = view.take(inside(view.coord, azimuth))
    camera = frame(view.coord, azimuth, width)
    radius, lit = surface(view.coord)
    winner, depth = splat(camera, view.coord, radius)
    light = eye_dome(depth) * np.append(lit, 1.0)[winner]  # -1 is background: full brightness
    layers = [layer for layer in view.layers if layer not in ("confidence", "weight")]
    panels = {layer: _image(view.paint(layer), winner, light) for layer in layers if layer != "labeled"}
    if "labeled" in layers:
        panels["labeled"] = _labeled(view, camera, winner, depth, light)
    return panels


def frame(coord: np.ndarray, azimuth: float, width: int) -> Camera:
    """Return the camera from which ``render`` draws points (P, 3) that are cut open; its pixels are half as wide."""
    seen = np.clip(coord, *core(coord))  # a stray point may fall outside the picture
    fine = 2 * width  # drawn twice as large and averaged, so that edges are smooth
    wide = fit_camera(seen, fine, fine, azimuth)
    pixel, _ = wide.project(seen)
    height = int(np.clip(np.ptp(pixel[:, 1]) / max(np.ptp(pixel[:, 0]), 1) * 1.05, 0.45, 1.1) * width)
    return fit_camera(seen, fine, 2 * height, azimuth)


def _labeled(view: CloudView, camera: Camera, winner: np.ndarray, depth: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Return the gray cloud with its labeled points as larger dots, drawn over points up to 0.15 m in front of them."""
    assert view.labels is not None
    rows = np.flatnonzero(view.labels != IGNORE)
    colors = np.vstack([view.paint("labeled"), np.full((1, 3), 40, np.uint8)])  # the last row is the dark rim of a dot
    if len(rows) == 0:
        return _image(colors, winner, light)
    dot = 5.0 * np.median(np.linalg.norm(view.coord - camera.eye, axis=1)) / camera.focal
    for index, size in ((np.full(len(rows), len(view)), 1.4 * dot), (rows, dot)):
        seen, near = splat(camera, view.coord[rows], np.full(len(rows), size))
        over = near < depth + 0.15
        winner, light = np.where(over, index[seen], winner), np.where(over, 1.0, light)
    return _image(colors, winner, light)


def _image(colors: np.ndarray, winner: np.ndarray, light: np.ndarray) -> np.ndarray:
    table = np.vstack([colors, np.full((1, 3), 255, np.uint8)]).astype(np.float32)  # row -1, background: white
    image = table[winner] * light[..., None].astype(np.float32)
    height, width = image.shape[0] // 2, image.shape[1] // 2
    return np.asarray(image.reshape(height, 2, width, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8))


def _figure(view: CloudView, panels: dict[str, np.ndarray], title: list[str]) -> Figure:
    columns = 1 if len(panels) == 1 else 3 if len(panels) > 4 else 2
    rows = -(-len(panels) // columns)
    blank = rows * columns > len(panels)  # then the legend is in the empty cell, else in a column of its own
    high, wide = next(iter(panels.values())).shape[:2]
    cell, dpi = (wide / 100, high / 100 + 0.3), 100
    across = columns * cell[0] + (0 if blank else LEGEND)
    lines = _wrapped(title, 9.5 * across)
    notes = [line for note in view.notes[:MOST_NOTES] for line in wrap(note, int(13 * across))][:MOST_LINES]
    top = 0.15 + 0.25 * len(lines) + 0.17 * len(notes) + 0.1
    size = (across, rows * cell[1] + top)
    figure = Figure(figsize=size, dpi=dpi, facecolor="white")
    for texts, start, step, font in ((lines, 0.3, 0.25, 13), (notes, 0.3 + 0.25 * len(lines), 0.17, 9)):
        for i, text in enumerate(texts):
            y = 1 - (start + step * i) / size[1]
            figure.text(0.15 / size[0], y, text, fontsize=font, va="center", parse_math=False)
    for place, (layer, image) in enumerate(panels.items()):
        x, y = place % columns * cell[0], top + place // columns * cell[1]
        axes = figure.add_axes((x / size[0], 1 - (y + cell[1]) / size[1], cell[0] / size[0], high / 100 / size[1]))
        axes.imshow(image, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        at = ((x + 0.15) / size[0], 1 - (y + 0.15) / size[1])
        figure.text(*at, TITLES[layer], fontsize=11, fontweight="bold", va="center")
    x, y = (columns - (1 if blank else 0)) * cell[0] + 0.15, top + 0.05 + ((rows - 1) * cell[1] if blank else 0)
    lines_left = max(int((size[1] - y - 0.1) / 0.226), 1)
    handles = _legend(view, panels, lines_left * (2 if blank else 1))
    if handles:
        corner, split = (x / size[0], 1 - y / size[1]), blank and len(handles) > min(8, lines_left)
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, frameon=False, fontsize=10,
                      borderaxespad=0, ncols=2 if split else 1)  # fmt: skip
    return figure


def _wrapped(parts: list[str], most: float) -> list[str]:
    """Return the parts of a title in lines of at most ``most`` characters; longer parts are shortened."""
    lines = parts[:1]
    for part in parts[1:]:
        longer = f"{lines[-1]}  ·  {part}"
        lines[-1:] = [longer] if len(longer) <= most else [lines[-1], part]
    return [cut(line, int(most)) for line in lines]


def _legend(view: CloudView, panels: dict[str, np.ndarray], most: int) -> list[Patch]:
    """Return the entries of the legend: the classes that occur, then right, wrong and unknown.

    If there are more than ``most``, the rarest classes are left out and counted in one last entry.
    """
    layers = [values for values in (view.truth, view.prediction, view.labels) if values is not None]
    found, counts = np.unique(np.concatenate(layers) if layers else np.zeros(0, int), return_counts=True)
    found, counts = found[found != IGNORE], counts[found != IGNORE]
    rest = [("right", RIGHT), ("wrong", WRONG)] if "errors" in panels else []
    if any((values == IGNORE).any() for values in (view.truth, view.prediction) if values is not None):
        rest.append(("unknown", UNKNOWN))
    count = len(found) if len(found) + len(rest) <= most else max(most - len(rest) - 1, 0)
    kept = np.sort(np.argsort(-counts, kind="stable")[:count])
    entries = [(cut(view.classes.names[k], 26), view.classes.colors[k]) for k in found[kept]]
    if count < len(found):
        entries.append((f"and {len(found) - count:,} more", (255, 255, 255)))
    return [
        Patch(facecolor=(c[0] / 255, c[1] / 255, c[2] / 255), edgecolor="0.6", linewidth=0.5, label=n)
        for n, c in [*entries, *rest]
    ]
