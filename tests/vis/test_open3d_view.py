"""The window: what Open3D is told, and the line a user reads where it is missing (a stand-in plays Open3D)."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.vis.open3d_view import show
from tests.vis.clouds import room


class Window:
    """Records what is drawn; ``run`` presses the keys it is given."""

    keys = "3C"
    opens = True

    def __init__(self) -> None:
        self.callbacks: dict[int, Any] = {}
        self.drawn: list[tuple[np.ndarray, np.ndarray]] = []

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
            assert self.callbacks[ord(key)](self)

    def destroy_window(self) -> None:
        pass


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


def test_layers_and_ceiling(open3d: None) -> None:
    view = room(2000)
    assert view.color is not None
    show(view)
    (start, predicted, whole) = windows[0].drawn
    assert start[0][:, 2].max() < 2.3
    assert len(start[0]) == len(predicted[0]) < len(whole[0]) == 2000
    np.testing.assert_allclose(whole[1] * 255, view.paint("prediction"))
    under = view.coord[:, 2] <= start[0][:, 2].max() + 1e-6
    np.testing.assert_allclose(start[1] * 255, view.color[under])


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


def test_without_open3d_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(InputError, match=r"pip install 'pcseg\[viz\]'"):
        show(room(10))
