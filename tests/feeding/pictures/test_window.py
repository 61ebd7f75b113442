"""Windows of pictures: colors and pixel numbers agree, no label is lost, and a window always fits."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.feeding.pictures.window import Window, WindowCrop, whole


def numbered(height: int, width: int) -> np.ndarray:
    """A picture whose red is the row and whose green is the column."""
    row, column = np.indices((height, width))
    return np.stack([row, column, np.zeros_like(row)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("seed", range(20))
def test_each_pixel_is_numbered_by_the_one_it_shows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image, nothing = numbered(40, 60), np.full(2400, IGNORE)
    window = WindowCrop((20, 30), (0.8, 3.0))((40, 60), 1.0, rng)
    seen = np.asarray(window.colors(image)).astype(float)
    row, column = np.divmod(window.rows(60, nothing), 60)
    assert row.shape == (20, 30)
    inner = (slice(1, -1), slice(1, -1))  # at the border of a picture there is nothing to interpolate with
    assert np.abs(seen[..., 0] - row)[inner].max() <= 1
    assert np.abs(seen[..., 1] - column)[inner].max() <= 1


def test_the_whole_picture_is_itself() -> None:
    image = numbered(7, 9)
    window = whole((7, 9))
    np.testing.assert_array_equal(np.asarray(window.colors(image)), image)
    np.testing.assert_array_equal(window.rows(9, np.zeros(63, int)).reshape(-1), np.arange(63))
    mirrored = whole((7, 9), flip=True)
    np.testing.assert_array_equal(np.asarray(mirrored.colors(image)), image[:, ::-1])
    np.testing.assert_array_equal(mirrored.rows(9, np.zeros(63, int)), np.arange(63).reshape(7, 9)[:, ::-1])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("flip", [False, True])
def test_no_label_is_lost_in_a_smaller_view(seed: int, flip: bool) -> None:
    """Unless two of them share a pixel of the view: then the one of the larger weight stays."""
    rng = np.random.default_rng(seed)
    labels, weights = np.full(48 * 64, IGNORE), np.zeros(48 * 64, np.float32)
    chosen = rng.choice(48 * 64, 60, replace=False)
    labels[chosen], weights[chosen] = rng.integers(0, 5, 60), rng.random(60)
    row = Window(0, 0, 48, 64, (12, 16), flip).rows(64, labels, weights)
    block = np.arange(48 * 64) // 64 // 4 * 16 + np.arange(48 * 64) % 64 // 4
    for number in np.unique(block[chosen]):
        i, j = divmod(number, 16)
        best = max(chosen[block[chosen] == number], key=lambda pixel: weights[pixel])
        assert row[i, 15 - j if flip else j] == best
    held = labels[row] != IGNORE
    assert held.sum() == len(np.unique(block[chosen]))


@pytest.mark.parametrize("seed", range(10))
def test_a_window_lies_in_the_picture_and_shows_its_center(seed: int) -> None:
    rng = np.random.default_rng(seed)
    center = (int(rng.integers(30)), int(rng.integers(100)))
    window = WindowCrop((40, 40), (0.5, 2.0))((30, 100), 1.0, rng, center)  # higher than the picture: magnified
    assert window.top >= 0
    assert window.left >= 0
    assert window.top + window.height <= 30 + 1e-9
    assert window.left + window.width <= 100 + 1e-9
    assert window.height == pytest.approx(window.width)
    assert window.top <= center[0] + 0.5 <= window.top + window.height
    assert window.left <= center[1] + 0.5 <= window.left + window.width


@pytest.mark.parametrize("settings", [{"size": (0, 5)}, {"zoom": (0.0, 1.0)}, {"zoom": (2.0, 1.0)}, {"flip": 2.0}])
def test_settings_out_of_range(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match="crop"):
        WindowCrop(**settings)  # type: ignore[arg-type]
