"""An interactive window by Open3D, which is an extra: imported here alone, and only when a window is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import numpy as np

from pcseg.errors import InputError
from pcseg.vis.cutaway import ceiling_height
from pcseg.vis.view import TITLES, CloudView

NO_WINDOW = "show=true: no window can be opened here; write output=room.html and open it in a browser"


def show(view: CloudView) -> None:
    """Open a window on ``view`` and return when it is closed. Keys: 1 to 6 choose the layer, C the ceiling, +/- the size.

    Raises InputError where Open3D is not installed or there is no display.
    """
    open3d = _open3d()
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(NO_WINDOW)  # Open3D would draw off screen and wait for ever
    cloud = open3d.geometry.PointCloud()
    window = open3d.visualization.VisualizerWithKeyCallback()
    if not window.create_window(window_name=view.name, width=1280, height=800):
        raise InputError(NO_WINDOW)
    state: dict[str, Any] = {"layer": view.layers[0], "ceiling": False}
    under = view.coord[:, 2] < ceiling_height(view.coord)

    def paint() -> None:
        rows = slice(None) if state["ceiling"] else under
        cloud.points = open3d.utility.Vector3dVector(view.coord[rows].astype(np.float64))
        cloud.colors = open3d.utility.Vector3dVector(view.paint(state["layer"])[rows] / 255.0)

    def change(key: str, value: Any) -> Any:
        def callback(_: Any) -> bool:
            state[key] = not state[key] if value is None else value
            paint()
            window.update_geometry(cloud)
            return True

        return callback

    paint()
    window.add_geometry(cloud)
    for i, layer in enumerate(view.layers):
        window.register_key_callback(ord("1") + i, change("layer", layer))
    window.register_key_callback(ord("C"), change("ceiling", None))
    print("keys:", ", ".join(f"{i} {TITLES[layer].lower()}" for i, layer in enumerate(view.layers, 1)) + ", C ceiling")
    window.run()
    window.destroy_window()


def _open3d() -> Any:
    try:
        return importlib.import_module("open3d")
    except (ImportError, OSError) as error:  # OSError: one of its system libraries is missing
        raise InputError(
            f"show=true needs Open3D ({error}); pip install 'pcseg[viz]', or write output=room.html instead"
        ) from error
