"""Pictures are drawn pixel by pixel: every layer as it is, small ones magnified."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pcseg.classes import IGNORE, Classes
from pcseg.scenes.arrays import pixel_places
from pcseg.vis.picture import LEAST, pixel_panels
from pcseg.vis.png import write_png
from pcseg.vis.view import CloudView

CLASSES = Classes(("road", "car"), ((10, 20, 30), (200, 100, 0)))


def view(height: int = 4, width: int = 6) -> CloudView:
    rng = np.random.default_rng(0)
    count = height * width
    labels = np.full(count, IGNORE)
    labels[3] = 1
    return CloudView(
        "val/p", pixel_places(height, width), CLASSES, rng.integers(0, 256, (count, 3)).astype(np.uint8),
        rng.integers(0, 2, count), rng.integers(0, 2, count), labels, size=(height, width),
    )  # fmt: skip


def test_layers_are_the_pixels_themselves() -> None:
    seen = view()
    panels = pixel_panels(seen)
    times = -(-LEAST // 6)
    assert list(panels) == ["color", "truth", "prediction", "errors", "labeled"]
    assert all(panel.shape == (4 * times, 6 * times, 3) for panel in panels.values())
    assert seen.color is not None
    assert seen.truth is not None
    np.testing.assert_array_equal(panels["color"][::times, ::times].reshape(-1, 3), seen.color)
    np.testing.assert_array_equal(panels["truth"][::times, ::times].reshape(-1, 3), CLASSES.palette()[seen.truth])
    labeled = panels["labeled"][::times, ::times].reshape(-1, 3)
    np.testing.assert_array_equal(labeled[3], (200, 100, 0))
    rest = np.delete(labeled, 3, axis=0)
    assert (rest == rest[:, :1]).all()
    assert (rest >= 128).all()


def test_a_picture_is_written(tmp_path: Path) -> None:
    path = write_png(tmp_path / "p.png", view(40, 60))
    assert min(Image.open(path).size) > LEAST
    part = view().take(np.arange(10))
    assert part.size is None
