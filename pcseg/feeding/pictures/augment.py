"""Vary the colors of a picture: callables that take a Pillow image and a numpy generator and return an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from pcseg.checks import at_least_zero, from_zero_to_one

Augment = Callable[[Image.Image, np.random.Generator], Image.Image]


@dataclass(frozen=True)
class Jitter:
    """With probability ``p`` change brightness, contrast, saturation and hue, in an order that is drawn.

    The first three by factors drawn from 1 +- their value (not below 0), the hue by a part of the color circle drawn
    from +-``hue``. The defaults are those of the strong views of FixMatch's successors (UniMatch V2, arXiv 2410.10777).
    """

    brightness: float = 0.5
    contrast: float = 0.5
    saturation: float = 0.5
    hue: float = 0.25
    p: float = 0.8

    def __post_init__(self) -> None:
        at_least_zero(brightness=self.brightness, contrast=self.contrast, saturation=self.saturation, hue=self.hue)
        from_zero_to_one(p=self.p)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        amounts = (self.brightness, self.contrast, self.saturation)
        factors = [max(0.0, 1 + amount * rng.uniform(-1, 1)) for amount in amounts]
        turn, order, chosen = self.hue * rng.uniform(-1, 1), rng.permutation(4), rng.random() < self.p
        if not chosen:
            return image
        kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
        for number in order:
            image = kinds[number](image).enhance(factors[number]) if number < 3 else _turned(image, turn)
        return image


@dataclass(frozen=True)
class Grayscale:
    """With probability ``p`` take the colors away."""

    p: float = 0.2

    def __post_init__(self) -> None:
        from_zero_to_one(p=self.p)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        return image.convert("L").convert("RGB") if rng.random() < self.p else image


@dataclass(frozen=True)
class Blur:
    """With probability ``p`` blur by a Gaussian whose standard deviation is drawn from ``low`` to ``high`` pixels."""

    low: float = 0.1
    high: float = 2.0
    p: float = 0.5

    def __post_init__(self) -> None:
        at_least_zero(low=self.low, high=self.high)
        from_zero_to_one(p=self.p)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        radius, chosen = rng.uniform(self.low, self.high), rng.random() < self.p
        return image.filter(ImageFilter.GaussianBlur(radius)) if chosen else image


def _turned(image: Image.Image, turn: float) -> Image.Image:
    """Return the image with all hues moved by ``turn`` of the color circle."""
    hue, saturation, value = image.convert("HSV").split()
    moved = (np.asarray(hue).astype(np.int16) + round(256 * turn)) % 256
    return Image.merge("HSV", (Image.fromarray(moved.astype(np.uint8)), saturation, value)).convert("RGB")
