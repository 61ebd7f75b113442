"""Put images together to one batch, whose elements are pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.elements import flatten_pixels, pixel_grid
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch


def collate_images(
    images: Tensor,
    labels: Tensor | None,
    names: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    tags: Tensor | None = None,
    domain: Tensor | None = None,
) -> Batch:
    """Return a batch of B images (B, 3, H, W) of colors in [0, 1] with labels (B, H, W), IGNORE where unknown.

    ``inputs`` are the images minus ``mean``, divided by ``std``, a value each for red, green and blue. Elements are
    pixels, image by image and row by row; ``position`` is (row, column). None for ``labels``: all are unknown. ``tags``
    (B, K) and ``domain`` (B,) as in Batch. Raises InputError for shapes that do not fit.
    """
    if images.dim() != 4 or images.shape[1] != 3 or len(images) != len(names):
        raise InputError(f"images of shape {tuple(images.shape)} and {len(names)} names; give (B, 3, H, W) and B names")
    count, _, height, width = images.shape
    if labels is None:
        labels = torch.full((count, height, width), IGNORE)
    if labels.shape != (count, height, width):
        raise InputError(f"labels of shape {tuple(labels.shape)} for images {tuple(images.shape)}; give (B, H, W)")
    scale = torch.tensor([mean, std], dtype=torch.float32)[:, None, :, None, None]
    return Batch(
        inputs=(images.float() - scale[0]) / scale[1],
        sample=torch.arange(count).repeat_interleave(height * width),
        position=pixel_grid(height, width).repeat(count, 1),
        color=flatten_pixels(images.float()),
        labels=labels.reshape(-1).long(),
        names=tuple(names),
        tags=tags,
        domain=domain,
    )
