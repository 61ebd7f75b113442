"""An interactive page of a cloud: one self-contained HTML file that any browser with WebGL 2 opens, even offline."""

from __future__ import annotations

import base64
import html
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.classes import IGNORE
from pcseg.files import atomic_path
from pcseg.vis.box import core
from pcseg.vis.cutaway import ceiling_height
from pcseg.vis.page import PAGE
from pcseg.vis.page_script import SCRIPT
from pcseg.vis.page_shaders import SHADERS
from pcseg.vis.paint import RIGHT, UNKNOWN, WRONG, fraction, gray, ramp
from pcseg.vis.splat import surface
from pcseg.vis.view import NUMBERS, TITLES, CloudView

MOST_POINTS = 80_000
"""With all layers this makes a page of 1.7 MB."""

MOST_CLASSES = 255
"""Classes that a byte can tell apart from each other and from NO_CLASS."""

NO_CLASS = 255

FINE = 5e-4
"""Steps of positions, meters, above which the page holds them more exactly than it draws them."""

SHOWN = 4
"""Notes that the page shows before it counts the rest."""


def write_html(path: str | os.PathLike[str], view: CloudView, most: int = MOST_POINTS) -> Path:
    """Write the page of ``view`` to ``path``, atomically, and return the path.

    A cloud of more than ``most`` points is thinned at random, labeled points kept first; points far from all others are
    left out; of more than MOST_CLASSES classes the rarest become one. The page says so. It draws positions to 1/65535 of
    the cloud's extent along each axis; those it tells are as exact as their digits.
    """
    content = json.dumps(_payload(view.framed(), most), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    start, title, data, end = PAGE.split("@@")
    page = start + html.escape(view.name) + title + content.replace("<", "\\u003c") + data + SHADERS + SCRIPT + end
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(path)


def _payload(full: CloudView, most: int) -> dict[str, Any]:
    """What the script of the page reads; the arrays are base64 of little-endian bytes, a point after the other."""
    thin = full.thinned(most, np.random.default_rng(0))
    view = thin.grouped(MOST_CLASSES)
    low = view.coord.min(axis=0).astype(np.float64)
    extent = np.maximum(view.coord.max(axis=0) - low, 1e-3)
    place, digits = _positions(view.coord, low, extent)
    radius, light = surface(view.coord)
    arrays = place | _layers(view) | {"light": np.round(255 * light).astype(np.uint8)}
    if "errors" in view.layers:
        arrays["errors"] = thin.errors  # before classes became one
    rows = np.arange(len(view)) if view.rows is None else view.rows
    steps = np.diff(rows, prepend=0)  # of ascending rows, so that most are small
    arrays["rows"] = steps.astype(next(t for t in ("<u1", "<u2", "<u4") if steps.max() <= np.iinfo(t).max))
    box = core(full.coord)
    notes = [*view.notes[:SHOWN], *([f"and {len(view.notes) - SHOWN} more notes"] if len(view.notes) > SHOWN else [])]
    return {
        "name": view.name,
        "about": _about(full, len(view)),
        "notes": notes,
        "shown": len(view),
        "origin": [float(v) for v in low + view.origin],
        "extent": [float(e) for e in extent],
        "core": [[float(v) for v in corner - low] for corner in box],
        "digits": digits,
        "cut": float(min(ceiling_height(full.coord) - low[2], extent[2])),
        "spacing": float(2.3 * np.median(radius)),
        "layers": view.layers,
        "titles": [TITLES[layer] for layer in view.layers],
        "scales": {layer: view.scale(layer)[1:] for layer in NUMBERS if layer in view.layers},
        "classes": [
            {"name": n, "color": list(c)} for n, c in zip(view.classes.names, view.classes.colors, strict=True)
        ],
        "right": RIGHT,
        "wrong": WRONG,
        "unknown": UNKNOWN,
        "types": {name: array.dtype.name for name, array in arrays.items()},
        "data": {k: base64.b64encode(np.ascontiguousarray(v).tobytes()).decode("ascii") for k, v in arrays.items()},
    }


def _positions(coord: np.ndarray, low: np.ndarray, extent: np.ndarray) -> tuple[dict[str, np.ndarray], int]:
    """Positions (P, 3) in steps of 1/65535 of ``extent``, in a large cloud the 254ths of steps that are missing, and how many
    digits behind the point they are good for."""
    exact = (coord - low) / extent * 65535
    steps = np.round(exact)
    arrays = {"position": steps.astype("<u2")}
    step = float(extent.max()) / 65535
    if step > FINE:
        arrays["fine"] = np.round((exact - steps) * 254).astype(np.int8)
        step /= 254
    step = max(step, float(np.spacing(np.abs(coord).max())))
    return arrays, int(np.clip(np.floor(-np.log10(step)), 0, 3 if extent.max() > 1 else 6))


def _layers(view: CloudView) -> dict[str, np.ndarray]:
    """The bytes of each layer: colors, numbers from 0 to 255, classes, and the colors that numbers have."""
    arrays = {"ramp": ramp(np.arange(256) / 255), "gray": gray(np.arange(256) / 255)}
    if "color" in view.layers:
        arrays["color"] = view.paint("color")
    for name in NUMBERS:
        if name in view.layers:
            arrays[name] = np.round(255 * fraction(*view.scale(name))).astype(np.uint8)
    for name in ("truth", "prediction", "labels"):
        if (values := getattr(view, name)) is not None:
            arrays[name] = np.where(values == IGNORE, NO_CLASS, values).astype(np.uint8)
    return arrays


def _about(full: CloudView, shown: int) -> str:
    about = [f"{len(full):,} points" if shown == len(full) else f"{shown:,} of {len(full):,} points shown"]
    return " · ".join(about + full.facts)
