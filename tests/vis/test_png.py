"""The PNG: all panels, true colours, and clouds of which little is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcseg.errors import InputError
from pcseg.labels import IGNORE
from pcseg.vis.png import render, write_png
from pcseg.vis.view import CloudView
from tests.vis.clouds import CLASSES, room


def hues(image: np.ndarray) -> np.ndarray:
    """Colours scaled to the same brightness, for shading changes that alone."""
    pixels = image.reshape(-1, 3).astype(float)
    return pixels / np.maximum(pixels.max(axis=1, keepdims=True), 1)


def test_a_panel_for_each_layer_and_in_it_the_colours_of_the_classes() -> None:
    panels = render(room(), width=160)
    assert list(panels) == ["colour", "truth", "prediction", "errors", "labelled"]
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
    panel = render(view, width=100)["colour"]
    assert (panel < 255).any()
    write_png(tmp_path / "a.png", view, width=100)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_png(tmp_path / "file" / "a.png", room(50), width=100)
