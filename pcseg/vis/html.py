"""An interactive page of a cloud: one self-contained HTML file that any browser with WebGL 2 opens, even offline."""

from __future__ import annotations

import base64
import html
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from pcseg.errors import InputError
from pcseg.files import atomic_path
from pcseg.labels import IGNORE
from pcseg.vis.cutaway import ceiling_height
from pcseg.vis.page import PAGE
from pcseg.vis.page_script import SCRIPT
from pcseg.vis.page_shaders import SHADERS
from pcseg.vis.splat import surface
from pcseg.vis.view import RIGHT, TITLES, UNKNOWN, WRONG, CloudView, ramp

MOST_POINTS = 80_000
"""With all layers this makes a page of 1.5 MB."""


def write_html(path: str | os.PathLike[str], view: CloudView, most: int = MOST_POINTS) -> Path:
    """Write the page of ``view`` to ``path``, atomically, and return the path.

    A cloud of more than ``most`` points is thinned at random, labelled points kept first, and the page says so.
    Positions are rounded to 1/65535 of the cloud's extent along each axis. Raises InputError for more than 255
    classes, which a byte cannot tell apart.
    """
    if len(view.classes) > 255:
        raise InputError(f"{view.name}: {len(view.classes)} classes; a page can show 255, so merge some of them")
    content = json.dumps(_payload(view, most), separators=(",", ":"), ensure_ascii=True)
    start, title, data, end = PAGE.split("@@")
    page = start + html.escape(view.name) + title + content.replace("<", "\\u003c") + data + SHADERS + SCRIPT + end
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(path)


def _payload(full: CloudView, most: int) -> dict[str, Any]:
    """What the script of the page reads; the arrays are base64 of little-endian bytes, a point after the other."""
    view = full.thinned(most, np.random.default_rng(0))
    low = view.coord.min(axis=0).astype(np.float64)
    extent = np.maximum(np.ptp(view.coord, axis=0).astype(np.float64), 1e-3)
    radius, light = surface(view.coord)
    arrays = {
        "position": np.round((view.coord - low) / extent * 65535).astype("<u2"),
        "color": view.paint("colour"),
        "light": np.round(255 * light).astype(np.uint8),
    }
    for name in ("truth", "prediction", "labels"):
        if (values := getattr(view, name)) is not None:
            arrays[name] = np.where(values == IGNORE, 255, values).astype(np.uint8)
    if view.confidence is not None:
        arrays["confidence"] = np.round(255 * np.clip(view.confidence, 0, 1)).astype(np.uint8)
        arrays["ramp"] = ramp(np.arange(256) / 255)
    return {
        "name": view.name,
        "about": _about(full, len(view)),
        "shown": len(view),
        "extent": [float(e) for e in extent],
        "cut": float(min(ceiling_height(full.coord) - low[2], extent[2])),
        "spacing": float(2.3 * np.median(radius)),
        "layers": view.layers,
        "titles": [TITLES[layer] for layer in view.layers],
        "classes": [
            {"name": n, "color": list(c)} for n, c in zip(view.classes.names, view.classes.colors, strict=True)
        ],
        "right": RIGHT,
        "wrong": WRONG,
        "unknown": UNKNOWN,
        "data": {k: base64.b64encode(np.ascontiguousarray(v).tobytes()).decode("ascii") for k, v in arrays.items()},
    }


def _about(full: CloudView, shown: int) -> str:
    about = [f"{len(full):,} points" if shown == len(full) else f"{shown:,} of {len(full):,} points shown"]
    return " · ".join(about + full.facts)
