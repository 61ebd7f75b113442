"""The window: the calls to Open3D (here a stand-in), and the error messages where it or a display is missing."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.vis.cutaway import inside
from pcseg.vis.open3d_view import AZIMUTH, show
from pcseg.vis.view import CloudView
from tests.vis.clouds import room


class Window:
    """Records what is drawn; ``run`` presses the keys it is given."""

    keys = "3C"  # prediction, ceiling
    opens = True

    def __init__(self) -> None:
        self.callbacks: dict[int, Any] = {}
        self.drawn: list[tuple[np.ndarray, np.ndarray]] = []
        self.camera: dict[str, Any] = {}
        self.options = SimpleNamespace()

    def create_window(self, **_: Any) -> bool:
        return self.opens

    def add_geometry(self, cloud: Any) -> None:
        self.drawn.append((cloud.points, cloud.colors))

    update_geometry = add_geometry

    def register_key_callback(self, key: int, callback: Any) -> None:
        self.callbacks[key] = callback

    def run(self) -> None:
        windows.append(self)
        for key in self.keys:
            if ord(key) in self.callbacks:
                assert self.callbacks[ord(key)](self)

    def destroy_window(self) -> None:
        pass

    def get_view_control(self) -> Any:
        control = SimpleNamespace()
        for name in ("front", "up", "lookat", "zoom"):
            setattr(control, f"set_{name}", lambda value, name=name: self.camera.__setitem__(name, value))
        return control

    def get_render_option(self) -> Any:
        return self.options


windows: list[Window] = []


@pytest.fixture
def open3d(monkeypatch: pytest.MonkeyPatch) -> None:
    windows.clear()
    stand_in = SimpleNamespace(
        geometry=SimpleNamespace(PointCloud=SimpleNamespace),
        utility=SimpleNamespace(Vector3dVector=lambda a: a),
        visualization=SimpleNamespace(VisualizerWithKeyCallback=Window),
    )
    monkeypatch.setitem(sys.modules, "open3d", stand_in)
    monkeypatch.setenv("DISPLAY", ":0")


def hues(colors: np.ndarray) -> np.ndarray:
    return colors / np.maximum(colors.max(axis=1, keepdims=True), 1e-9)


def test_layers_and_ceiling(open3d: None) -> None:
    view = room(2000)
    assert view.color is not None
    show(view)
    (start, predicted, whole) = windows[0].drawn
    assert start[0][:, 2].max() < 2.3
    assert len(start[0]) == len(predicted[0]) < len(whole[0]) == 2000
    np.testing.assert_allclose(hues(whole[1]), hues(view.paint("prediction").astype(float)), atol=1e-6)
    opened = inside(view.coord, AZIMUTH)
    np.testing.assert_allclose(start[0], view.coord[opened])
    np.testing.assert_allclose(hues(start[1]), hues(view.color[opened].astype(float)), atol=1e-6)


def test_it_is_lit(open3d: None) -> None:
    view = replace(room(3000), color=np.full((3000, 3), 255, np.uint8))
    show(view)
    (coord, colors) = windows[0].drawn[2]
    assert colors.max() <= 1
    light = np.array([colors[np.abs(coord[:, axis]) < 1e-6].mean() for axis in range(3)])  # two walls and the floor
    assert np.ptp(light) > 0.05


def test_the_start_looks_down_at_the_middle_of_the_room(open3d: None) -> None:
    stray = np.concatenate([room(2000).coord, np.array([[1.0, 1, 5000]], np.float32)])
    show(CloudView("a", stray, room(2000).classes))
    camera = windows[0].camera
    assert camera["up"] == [0, 0, 1]
    assert 0.3 < camera["front"][2] < 0.95
    np.testing.assert_allclose(np.linalg.norm(camera["front"]), 1)
    np.testing.assert_allclose(camera["lookat"][:2], (2, 1.5), atol=0.3)
    assert 0 < camera["lookat"][2] < 1.5
    assert 0.4 < camera["zoom"] < 1.2
    assert 1 <= windows[0].options.point_size <= 10


@pytest.mark.parametrize("points", [1, 2, 5])
def test_few_points(open3d: None, points: int) -> None:
    show(CloudView("a", room(10).coord[:points], room(10).classes))
    assert np.isfinite([*windows[0].camera["lookat"], windows[0].camera["zoom"], windows[0].options.point_size]).all()


def test_no_display(open3d: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Window, "opens", False)
    with pytest.raises(InputError, match=r"output=room\.html"):
        show(room(10))
    monkeypatch.setattr(Window, "opens", True)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match=r"output=room\.html"):
        show(room(10))
    assert not windows


def test_without_open3d_the_error_gives_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(InputError, match=r"pip install 'pcseg\[viz\]'"):
        show(room(10))
