"""The PNG: all panels, true colors, and clouds of which little is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.vis.png import _figure, render, write_png
from pcseg.vis.view import CloudView
from tests.vis.clouds import CLASSES, room


def hues(image: np.ndarray) -> np.ndarray:
    """Colors scaled to the same brightness, for shading changes that alone."""
    pixels = image.reshape(-1, 3).astype(float)
    return pixels / np.maximum(pixels.max(axis=1, keepdims=True), 1)


def test_a_panel_for_each_layer_and_in_it_the_colors_of_the_classes() -> None:
    panels = render(room(), width=160)
    assert list(panels) == ["color", "truth", "prediction", "errors", "labeled"]
    for k in (0, 1, 3):  # the ceiling is cut away
        near = np.abs(hues(panels["truth"]) - hues(CLASSES.palette()[k])).max(axis=1) < 0.02
        assert near.sum() > 50, CLASSES.names[k]
    ceiling = np.abs(hues(panels["truth"]) - hues(CLASSES.palette()[2])).max(axis=1) < 0.02
    assert not ceiling.any()


def test_the_picture_follows_the_prediction() -> None:
    view = room()
    assert view.truth is not None
    right, wrong = (
        render(replace(view, prediction=p), width=120)["errors"] for p in (view.truth, (view.truth + 1) % 4)
    )
    red = [(np.abs(hues(i) - hues(np.array([215, 25, 40]))).max(axis=1) < 0.02).sum() for i in (right, wrong)]
    assert red[0] == 0
    assert red[1] > 0.2 * right[..., 0].size


def test_the_file(tmp_path: Path) -> None:
    path = write_png(tmp_path / "new" / "room.png", room(), width=200)
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB"))
    assert picture.shape[1] == 600  # three panels in a row
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 500
    assert [p.name for p in path.parent.iterdir()] == ["room.png"]


def test_the_same_view_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [write_png(tmp_path / f"{i}.png", room(1500), width=120) for i in range(2)]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("points", [1, 2, 3, 50])
def test_few_points_of_which_nothing_is_known(tmp_path: Path, points: int) -> None:
    coord = room().coord[:points]
    view = CloudView(
        "a $scan$ _of_ %few", coord, CLASSES, truth=np.full(points, IGNORE), labels=np.full(points, IGNORE)
    )
    panel = render(view, width=100)["height"]
    assert (panel < 255).any()
    write_png(tmp_path / "a.png", view, width=100)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_png(tmp_path / "file" / "a.png", room(50), width=100)


@pytest.mark.parametrize("stray", [(0.0, 0, -1e9), (30.0, 0, 0), (0, 9.0, 0)])
def test_a_stray_does_not_move_the_camera(tmp_path: Path, stray: tuple[float, float, float]) -> None:
    view = replace(room(3000), labels=None, prediction=None)
    coord = view.coord.copy()
    coord[17] = stray
    before, after = (render(v.framed(), width=160)["truth"] for v in (view, replace(view, coord=coord)))
    covered = [(image < 250).any(axis=2).mean() for image in (before, after)]
    assert covered[1] > 0.9 * covered[0]


@pytest.mark.parametrize("count", [1, 3, 30, 300])
def test_the_legend_is_in_the_picture_however_many_classes(count: int) -> None:
    truth = np.minimum(np.arange(2000) % count, np.arange(2000) // 3)
    view = CloudView("a", room(2000).coord, Classes(tuple(f"class {k}" for k in range(count))), truth=truth)
    panels = {layer: np.zeros((300, 400, 3), np.uint8) for layer in ("height", "truth")}
    figure = _figure(replace(view, notes=("word " * 60,) * 9), panels, ["a", "2,000 points"])
    FigureCanvasAgg(figure).draw()
    (legend,) = figure.legends
    box, whole = legend.get_window_extent(), figure.bbox
    assert box.y0 >= whole.y0
    assert box.x1 <= whole.x1
    names = [text.get_text() for text in legend.get_texts()]
    assert names[0].startswith("class")
    hidden = count - sum(name.startswith("class") for name in names)
    assert (names[-1] == f"and {hidden} more") == (hidden > 0)
    for text in figure.texts:
        assert text.get_window_extent().x1 <= whole.x1 + 1
