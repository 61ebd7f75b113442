"""Write an interactive page of a cloud: one self-contained HTML file for any browser with WebGL 2, also offline."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.classes import IGNORE
from pcseg.files import atomic_path
from pcseg.vis.box import core
from pcseg.vis.cutaway import ceiling_height
from pcseg.vis.paint import RIGHT, UNKNOWN, WRONG, fraction, gray, ramp
from pcseg.vis.splat import surface
from pcseg.vis.view import CLASS_LAYERS, NUMBERS, TITLES, CloudView

PAGE = resources.files("pcseg.vis") / "page"
"""The folder of page.html and of the style, scripts and shaders whose contents it takes in."""

MOST_POINTS = 80_000
"""Points on a page; with all layers this makes 1.7 MB."""

MOST_CLASSES = 255
"""Classes that one byte can distinguish, besides NO_CLASS."""

NO_CLASS = 255

FINE = 5e-4
"""Meters. Where the 1/65535 steps of positions are longer, the page also holds the fractions of the steps."""

MOST_NOTES = 4
"""Notes on the page; of more, the rest is counted."""


def write_html(path: str | os.PathLike[str], view: CloudView, most: int = MOST_POINTS) -> Path:
    """Write the page of ``view`` (see ``page``) to ``path``, atomically, and return the path."""
    return write_page(path, page(view, most))


def write_page(path: str | os.PathLike[str], text: str) -> Path:
    """Write the ``text`` of a page to ``path``, atomically, and return the path."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def page(view: CloudView, most: int = MOST_POINTS, titles: Mapping[str, str] | None = None) -> str:
    """Return the page of ``view``, HTML.

    Points far from all others are left out. Of more than ``most`` points a random choice is kept, labeled points first.
    Of more than MOST_CLASSES classes the rarest become one. The page says so. Positions are drawn to 1/65535 of the
    cloud's extent along each axis; the coordinates that the page prints are exact to their last digit. Layers with
    other ``titles``, by name, come first.
    """
    payload = _payload(view.framed(), most)
    named = dict(zip(payload["layers"], payload["titles"], strict=True))
    titles = {layer: title for layer, title in (titles or {}).items() if layer in named}
    named = {**titles, **{layer: title for layer, title in named.items() if layer not in titles}}
    return _page(view.name, {**payload, "layers": list(named), "titles": list(named.values())})


def _page(title: str, payload: dict[str, Any]) -> str:
    """Return page.html with each slot filled: {{title}}, {{data}} (JSON), or the file of that name in the folder.

    Names from the user's files cannot leave the place they are put in: the title is escaped, the JSON holds no "<",
    and inserted text is not searched for slots.
    """
    data = json.dumps(payload, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    texts = {"title": html.escape(title), "data": data.replace("<", "\\u003c")}

    def fill(slot: re.Match[str]) -> str:
        name = slot[1]
        return texts[name] if name in texts else (PAGE / name).read_text(encoding="utf-8")

    return re.sub(r"\{\{([a-z.]+)\}\}", fill, (PAGE / "page.html").read_text(encoding="utf-8"))


def _payload(full: CloudView, most: int) -> dict[str, Any]:
    """Return the data of the page; arrays are base64 of little-endian bytes, point after point."""
    thin = full.thinned(most, np.random.default_rng(0))
    view = thin.grouped(MOST_CLASSES)
    low = view.coord.min(axis=0).astype(np.float64)
    extent = np.maximum(view.coord.max(axis=0) - low, 1e-3)
    positions, digits = _positions(view.coord, low, extent)
    radius, light = surface(view.coord)
    arrays = positions | _layers(view) | {"light": np.round(255 * light).astype(np.uint8)}
    if "errors" in view.layers:
        arrays["errors"] = thin.errors  # as before the rarest classes became one
    rows = np.arange(len(view)) if view.rows is None else view.rows
    steps = np.diff(rows, prepend=0)  # rows ascend, so that most steps are small
    arrays["rows"] = steps.astype(next(t for t in ("<u1", "<u2", "<u4") if steps.max() <= np.iinfo(t).max))
    box = core(full.coord)
    more = len(view.notes) - MOST_NOTES
    return {
        "name": view.name,
        "about": _about(full, len(view)),
        "notes": [*view.notes[:MOST_NOTES], *([f"and {more} more notes"] if more > 0 else [])],
        "points": len(view),
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
    """Return positions (P, 3) in steps of 1/65535 of ``extent``, and how many decimals of a meter they are exact to.

    Where a step is longer than FINE, the array "fine" (P, 3) holds the missing fractions of steps, in 254ths.
    """
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
    """Return the bytes of each layer (colors, numbers from 0 to 255, classes) and the color tables of the numbers."""
    arrays = {"ramp": ramp(np.arange(256) / 255), "gray": gray(np.arange(256) / 255)}
    if "color" in view.layers:
        arrays["color"] = view.paint("color")
    for name in NUMBERS:
        if name in view.layers:
            arrays[name] = np.round(255 * fraction(*view.scale(name))).astype(np.uint8)
    for name in CLASS_LAYERS:
        if (values := getattr(view, name)) is not None:
            arrays[name] = np.where(values == IGNORE, NO_CLASS, values).astype(np.uint8)
    return arrays


def _about(full: CloudView, drawn: int) -> str:
    count = f"{len(full):,} points" if drawn == len(full) else f"{drawn:,} of {len(full):,} points shown"
    return " · ".join([count, *full.facts])
