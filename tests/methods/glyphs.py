"""A tiny segmentation task in which orientation says much about class: upright glyphs, few of them labeled."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.methods import Supervised
from tests.methods.shapes import EDGE, Make, Shapes, miou, model_of, train

GLYPHS = torch.tensor([
    [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]],
    [[1, 1, 1, 1], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0]],
    [[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]],
]).bool()  # fmt: skip
"""L, T and F, of 4 x 4 cells."""

CELL = 2
"""Pixels along an edge of a cell."""

STEPS = 200


def draw_glyphs(count: int, generator: torch.Generator, noise: float = 0.05) -> tuple[Tensor, Tensor]:
    """Return pictures (n, 3, EDGE, EDGE) in [0, 1] and their classes (n, EDGE, EDGE): four glyphs in any colors.

    Each is in a quarter of the picture, upright; glyph g has class g + 1, and colors have nothing to do with classes.
    """
    half, size = EDGE // 2, 4 * CELL
    images, labels = torch.empty(count, 3, EDGE, EDGE), torch.zeros(count, EDGE, EDGE, dtype=torch.int64)
    for i in range(count):
        light = 0.3 * torch.rand(3, 1, 1, generator=generator)
        images[i] = light
        for quarter in range(4):
            number = int(torch.randint(len(GLYPHS), (1,), generator=generator))
            row, column = torch.randint(half - size + 1, (2,), generator=generator).tolist()
            inside = torch.zeros(EDGE, EDGE, dtype=torch.bool)
            top, left = row + half * (quarter // 2), column + half * (quarter % 2)
            glyph = GLYPHS[number].repeat_interleave(CELL, 0).repeat_interleave(CELL, 1)
            inside[top : top + size, left : left + size] = glyph
            images[i][:, inside] = (light + 0.2 + 0.5 * torch.rand(3, 1, 1, generator=generator)).view(3, 1)
            labels[i][inside] = number + 1
    images += noise * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1), labels


class Glyphs(Shapes):
    """Pictures of glyphs instead of shapes, which are never turned."""

    def __init__(self, seed: int, labeled: int = 2, unlabeled: int = 48, test: int = 32) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.labeled, self.labels = draw_glyphs(labeled, self.generator)
        self.unlabeled, _ = draw_glyphs(unlabeled, self.generator)
        self.test, self.truth = draw_glyphs(test, self.generator)

    def _turned(self, image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return image, labels


def score(make: Make, seed: int, steps: int = STEPS) -> float:
    """Return the mIoU that a method reaches from few labeled and many unlabeled pictures of glyphs."""
    glyphs, model = Glyphs(seed), model_of(seed)
    train(model, make, glyphs.batch, steps, seed)
    return miou(model.network, glyphs.test, glyphs.truth)


def supervised(seed: int, steps: int = STEPS) -> float:
    """Return the mIoU of supervised training on as many labeled pictures a step as a method sees in all."""
    glyphs, model = Glyphs(seed), model_of(seed)
    train(model, Supervised, lambda: glyphs.batch(8, 0), steps, seed)
    return miou(model.network, glyphs.test, glyphs.truth)
