"""A window of a picture, resampled to a given size, and which pixel of the picture each of its own shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pcseg.classes import IGNORE
from pcseg.errors import InputError


@dataclass(frozen=True)
class Window:
    """The part of a picture from (``top``, ``left``), ``height`` by ``width`` of its pixels, seen as ``size`` (h, w).

    Edges may lie between pixels. ``flip``: mirrored left to right.
    """

    top: float
    left: float
    height: float
    width: float
    size: tuple[int, int]
    flip: bool = False

    def colors(self, image: np.ndarray) -> Image.Image:
        """Return the window of ``image`` (H, W, 3) uint8; bilinear, over all pixels that one of its own covers."""
        box = (self.left, self.top, self.left + self.width, self.top + self.height)
        seen = Image.fromarray(np.ascontiguousarray(image))
        seen = seen.resize(self.size[::-1], Image.Resampling.BILINEAR, box=box)
        return seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.flip else seen

    def rows(self, width: int, labels: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return for each pixel (h, w) int64 of the window the number of the one that stands for it.

        ``labels`` (P,) and ``weights`` (P,), None for all 1, are those of a picture of ``width`` columns. It is the
        nearest pixel, unless another that the pixel of the window covers is labeled with a larger weight: so that no
        label is lost in a smaller view, as in a voxel.
        """
        h, w = self.size
        row = np.floor(self.top + (np.arange(h) + 0.5) * (self.height / h)).astype(np.int64)
        column = np.floor(self.left + (np.arange(w) + 0.5) * (self.width / w)).astype(np.int64)
        last = len(labels) // width - 1
        found = np.clip(row, 0, last)[:, None] * width + np.clip(column, 0, width - 1)
        self._give_way(found.reshape(-1), width, labels, weights)
        return found[:, ::-1] if self.flip else found

    def _give_way(self, found: np.ndarray, width: int, labels: np.ndarray, weights: np.ndarray | None) -> None:
        """Put labeled pixels in the place of others in ``found`` (h * w,)."""
        given = np.flatnonzero(labels != IGNORE)
        weight = np.ones(len(labels), np.float32) if weights is None else np.asarray(weights, np.float32)
        weight = np.where(labels != IGNORE, weight, 0)
        i = np.floor((given // width + 0.5 - self.top) * (self.size[0] / self.height)).astype(np.int64)
        j = np.floor((given % width + 0.5 - self.left) * (self.size[1] / self.width)).astype(np.int64)
        inside = (i >= 0) & (i < self.size[0]) & (j >= 0) & (j < self.size[1])
        given, at = given[inside], (i * self.size[1] + j)[inside]
        better = weight[given] > weight[found[at]]
        given, at = given[better], at[better]
        order = np.lexsort((-given, weight[given]))  # the last one stays: the largest weight, the first pixel of these
        found[at[order]] = given[order]


@dataclass(frozen=True)
class WindowCrop:
    """Draws windows of a picture: ``size`` (h, w) pixels, magnified by a factor from ``zoom``, mirrored half the time.

    A magnification at which the window would not fit into the picture is raised to the smallest that does. ``size`` is
    in pixels as the network sees them; None is the whole picture, unmagnified. ``flip``: the probability of a mirrored
    one. Raises InputError for numbers out of range.
    """

    size: tuple[int, int] | None = None
    zoom: tuple[float, float] = (1.0, 2.0)
    flip: float = 0.5

    def __post_init__(self) -> None:
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise InputError(f"crop.size={self.size}: give height and width in pixels, or null for the whole picture")
        if len(self.zoom) != 2 or not 0 < self.zoom[0] <= self.zoom[1] or not 0 <= self.flip <= 1:
            raise InputError(f"crop.zoom={self.zoom}, flip={self.flip}: give a range above 0, and a probability")

    def __call__(
        self, size: tuple[int, int], scale: float, rng: np.random.Generator, center: tuple[int, int] | None = None
    ) -> Window:
        """Return a window of a picture of ``size`` (H, W), which networks see at ``scale`` of its resolution.

        ``center``: a pixel (row, column) that it shows, in its middle where the borders allow; None: anywhere.
        """
        factor, lot, flip = rng.uniform(*self.zoom), rng.random(2), rng.random() < self.flip
        if self.size is None:
            return whole(size, scale, flip)
        height, width = size
        zoom = max(factor, self.size[0] / (height * scale), self.size[1] / (width * scale))
        part = self.size[0] / (zoom * scale), self.size[1] / (zoom * scale)
        free = max(0.0, height - part[0]), max(0.0, width - part[1])
        if center is None:
            top, left = free[0] * lot[0], free[1] * lot[1]
        else:
            top, left = (float(np.clip(c + 0.5 - p / 2, 0, f)) for c, p, f in zip(center, part, free, strict=True))
        return Window(top, left, min(part[0], height), min(part[1], width), (self.size[0], self.size[1]), flip)


def whole(size: tuple[int, int], scale: float = 1.0, flip: bool = False) -> Window:
    """Return all of a picture of ``size`` (H, W) at ``scale`` of its resolution."""
    height, width = (max(1, round(scale * edge)) for edge in size)
    return Window(0.0, 0.0, size[0], size[1], (height, width), flip)
