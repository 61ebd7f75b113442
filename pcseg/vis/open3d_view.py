"""Open an interactive window with Open3D, an optional package that is imported only when a window is opened."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import numpy as np

from pcseg.errors import InputError
from pcseg.vis.box import core
from pcseg.vis.cutaway import inside
from pcseg.vis.splat import surface
from pcseg.vis.view import TITLES, CloudView

NO_WINDOW = "show=true: no window can be opened here; write output=room.html and open it in a browser"

MOST_POINTS = 1_000_000
"""Points in the window; of larger clouds a random choice."""

SIZE = (1280, 800)
"""Width and height of the window in pixels."""

FIELD = 60.0
"""Vertical field of view of Open3D's camera in degrees."""

AZIMUTH, ELEVATION = -60.0, 45.0
"""First direction from the cloud to the camera in degrees, as in the PNG; a room is cut open on this side."""


def show(view: CloudView) -> None:
    """Open a window with ``view`` and return when it is closed.

    The camera looks down into the room, ceiling and near walls cut away. Keys: 1 to 8 choose the layer, C shows or
    hides the parts cut away, +/- change the size of points. Raises InputError if Open3D is not installed or there is no
    display.
    """
    open3d = _open3d()
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(NO_WINDOW)  # without a display Open3D would wait for ever
    cloud = open3d.geometry.PointCloud()
    window = open3d.visualization.VisualizerWithKeyCallback()
    if not window.create_window(window_name=view.name, width=SIZE[0], height=SIZE[1]):
        raise InputError(NO_WINDOW)
    full = view.framed()
    view = full.thinned(MOST_POINTS, np.random.default_rng(0))
    if len(view) < len(full):
        print(f"{view.name}: {len(view):,} of {len(full):,} points shown")
    state: dict[str, Any] = {"layer": view.layers[0], "ceiling": False}
    opened = inside(view.coord, AZIMUTH)
    radius, light = surface(view.coord)

    def paint() -> None:
        rows = slice(None) if state["ceiling"] else opened
        cloud.points = open3d.utility.Vector3dVector(view.coord[rows].astype(np.float64))
        cloud.colors = open3d.utility.Vector3dVector((view.paint(state["layer"]) * light[:, None] / 255.0)[rows])

    def change(key: str, value: Any) -> Any:
        def callback(_: Any) -> bool:
            state[key] = not state[key] if value is None else value
            paint()
            window.update_geometry(cloud)
            return True

        return callback

    paint()
    window.add_geometry(cloud)
    distance = _look(window.get_view_control(), view.coord[opened])
    option = window.get_render_option()
    option.background_color = np.array([0.945, 0.953, 0.965])
    pixel = 2 * distance * np.tan(np.radians(FIELD) / 2) / SIZE[1]  # meters, at the middle of the cloud
    option.point_size = float(np.clip(round(2 * float(np.median(radius)) / pixel), 1, 10))
    for i, layer in enumerate(view.layers):
        window.register_key_callback(ord("1") + i, change("layer", layer))
    window.register_key_callback(ord("C"), change("ceiling", None))
    print("keys:", ", ".join(f"{i} {TITLES[layer].lower()}" for i, layer in enumerate(view.layers, 1)) + ", C ceiling")
    window.run()
    window.destroy_window()


def _look(control: Any, coord: np.ndarray) -> float:
    """Turn the camera to look down at the points ``coord`` (P, 3), and return its distance from them in meters."""
    low, high = core(coord)
    a, e = np.radians(AZIMUTH), np.radians(ELEVATION)
    control.set_front([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    control.set_up([0.0, 0.0, 1.0])
    control.set_lookat(low + (0.5, 0.5, 0.3) * (high - low))
    # Open3D's zoom: half the height of the picture, relative to the longest side of the box of all points.
    half = max(0.55 * float(np.linalg.norm(high - low)), 1e-3)
    zoom = float(np.clip(half / max(float(np.ptp(coord, axis=0).max()), 1e-6), 0.02, 2.0))
    control.set_zoom(zoom)
    return half / float(np.tan(np.radians(FIELD) / 2))


def _open3d() -> Any:
    try:
        return importlib.import_module("open3d")
    except (ImportError, OSError) as error:  # OSError: one of its system libraries is missing
        raise InputError(
            f"show=true needs Open3D ({error}); pip install 'pcseg[viz]', or write output=room.html instead"
        ) from error
