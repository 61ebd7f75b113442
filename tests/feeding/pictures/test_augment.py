"""Colors change by the generator alone; size and mode stay, and what a transform is for is seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from pcseg.errors import InputError
from pcseg.feeding.pictures import Blur, Grayscale, Jitter


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8))


@pytest.mark.parametrize("transform", [Jitter(p=1.0), Grayscale(1.0), Blur(1.0, 2.0, 1.0)])
def test_the_generator_decides(transform: Callable[..., Image.Image]) -> None:
    first, again, other = (np.asarray(transform(picture(), np.random.default_rng(s))) for s in (1, 1, 2))
    assert first.shape == (20, 30, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != np.asarray(picture())).any()
    if not isinstance(transform, Grayscale):
        assert (first != other).any()


@pytest.mark.parametrize("transform", [Jitter(p=0.0), Grayscale(0.0), Blur(p=0.0), Jitter(0, 0, 0, 0, 1.0)])
def test_nothing_changes_without_probability_or_amount(transform: Callable[..., Image.Image]) -> None:
    changed = np.asarray(transform(picture(), np.random.default_rng(0))).astype(int)
    assert np.abs(changed - np.asarray(picture())).max() <= 6  # a turn by 0 passes through HSV, which rounds


def test_gray_has_no_color_and_blur_evens_out() -> None:
    gray = np.asarray(Grayscale(1.0)(picture(), np.random.default_rng(0)))
    assert (gray == gray[..., :1]).all()
    blurred = np.asarray(Blur(2.0, 2.0, 1.0)(picture(), np.random.default_rng(0)))
    assert blurred.std() < 0.5 * np.asarray(picture()).std()


def test_a_turn_by_a_third_moves_red_to_another_primary() -> None:
    red = Image.fromarray(np.full((2, 2, 3), (255, 0, 0), np.uint8))
    for seed in range(20):
        turned = np.asarray(Jitter(0, 0, 0, 0.5, 1.0)(red, np.random.default_rng(seed)))
        assert turned.max() == 255  # full saturation and value stay
        assert turned.min() == 0


@pytest.mark.parametrize("make", [lambda: Jitter(p=2.0), lambda: Blur(low=-1.0), lambda: Grayscale(-0.1)])
def test_numbers_out_of_range(make: Callable[[], object]) -> None:
    with pytest.raises(InputError):
        make()
