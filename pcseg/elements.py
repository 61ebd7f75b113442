"""The output of every network, 2D or 3D: one row per pixel, voxel or point, flattened over the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.classes import IGNORE


@dataclass(frozen=True)
class Elements:
    """Scores and features of E elements (a pixel, a voxel or a point) of B samples.

    Shapes: ``logits`` (E, K); ``feats`` (E, C), the last features before the classifier; ``sample`` (E,) int64, the
    scene or image of each row; ``position`` (E, 2 or 3), pixels or meters; ``color`` (E, 3) in [0, 1], or None.
    ``outputs``: further outputs of the network by name, (E, ...) each, such as auxiliary logits or projections. Rows of
    one sample need not be contiguous.

    ``features`` are ``feats``, or a function that makes them the first time they are asked for: those of each pixel,
    which few methods need, take more memory than all else.
    """

    logits: Tensor
    features: Tensor | Callable[[], Tensor]
    sample: Tensor
    position: Tensor
    color: Tensor | None = None
    outputs: Mapping[str, Tensor] = field(default_factory=dict)

    @cached_property
    def feats(self) -> Tensor:
        return self.features if isinstance(self.features, Tensor) else self.features()

    @property
    def n_samples(self) -> int:
        """Number of samples B, taken as the largest ``sample`` plus one."""
        return int(self.sample.max()) + 1 if len(self.sample) else 0


def flatten_pixels(maps: Tensor) -> Tensor:
    """Return the rows (B * H * W, C) of maps (B, C, H, W), image by image and row by row."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def pixel_elements(
    logits: Tensor,
    feats: Tensor,
    size: tuple[int, int],
    position: Tensor | None = None,
    color: Tensor | None = None,
    outputs: Mapping[str, Tensor] | None = None,
) -> Elements:
    """Return the Elements of B * H * W pixels of images of ``size`` (H, W), from maps of any resolution.

    ``logits`` (B, K, h, w), ``feats`` (B, C, h', w') and ``outputs`` (B, ..., h", w") are resized bilinearly, corners
    not aligned; ``feats`` only when they are asked for. ``position`` (E, 2) defaults to row and column.
    """

    def rows(maps: Tensor) -> Tensor:
        if maps.shape[2:] != size:
            maps = F.interpolate(maps, size, mode="bilinear", align_corners=False)
        return flatten_pixels(maps)

    count, (height, width) = len(logits), size
    if position is None:
        position = pixel_grid(height, width, logits.device).repeat(count, 1)
    sample = torch.arange(count, device=logits.device).repeat_interleave(height * width)
    further = {name: rows(maps) for name, maps in (outputs or {}).items()}
    return Elements(rows(logits), lambda: rows(feats), sample, position, color, further)


def pixel_grid(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Return row and column (H * W, 2) float32 of the pixels of an image, row by row."""
    row, column = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    return torch.stack([row, column], dim=-1).float().reshape(-1, 2)


def pixel_pairs(count: int, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the pairs (2, M) int64 of neighbors, 8 around each pixel, of ``count`` images, each pair once.

    Pixels are numbered image by image and row by row.
    """
    number = torch.arange(count * height * width, device=device).view(count, height, width)
    right = number[:, :, :-1], number[:, :, 1:]
    below = number[:, :-1], number[:, 1:]
    falling = number[:, :-1, :-1], number[:, 1:, 1:]
    rising = number[:, 1:, :-1], number[:, :-1, 1:]
    return torch.cat([torch.stack(pair).flatten(1) for pair in (right, below, falling, rising)], dim=1)


def at_boundary(labels: Tensor, pairs: Tensor) -> Tensor:
    """Return (E,) bool: the elements with a neighbor of another class.

    ``labels`` (E,) int64; ``pairs`` (2, M) int64 of neighbors, each pair once or twice. An element labeled IGNORE is at
    no boundary and makes none. On pixels it is the Sobel filter of CW-BASS (arXiv 2502.15152) on the classes, without
    the frame of the picture.
    """
    one, other = labels[pairs]
    apart = (one != other) & (one != IGNORE) & (other != IGNORE)
    return torch.zeros_like(labels, dtype=torch.bool).index_fill(0, pairs[:, apart].flatten(), True)
