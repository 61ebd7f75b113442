"""A window of a picture as a sample, and several of them as a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pcseg.elements import flatten_pixels, pixel_grid
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch, joined
from pcseg.feeding.matches import View, matches


@dataclass(frozen=True)
class PictureSample:
    """``image`` (3, h, w) float32 in [0, 1]; ``labels`` (h, w) int64; ``point`` (h, w) int64, the number of each pixel
    in its picture. ``weights`` (h, w) float32, ``tags``, ``domain`` and ``view`` as in Sample.
    """

    image: Tensor
    labels: Tensor
    point: Tensor
    name: str
    weights: Tensor | None = None
    tags: Tensor | None = None
    domain: int | None = None
    view: int | None = None


def collate_pictures(samples: Sequence[PictureSample], mean: Sequence[float], std: Sequence[float]) -> Batch:
    """Return one batch of pictures of one size; ``inputs`` are their colors minus ``mean``, divided by ``std``.

    Elements are pixels, image by image and row by row; ``position`` is (row, column). What is optional comes with the
    batch where every sample has it, ``matches`` where some samples are views of one picture. Raises InputError if there
    is no sample, or they differ in size.
    """
    if not samples:
        raise InputError("a batch of no sample; give one or more")
    sizes = {tuple(s.labels.shape) for s in samples}
    if len(sizes) > 1:
        raise InputError(f"pictures of {', '.join(map(str, sorted(sizes)))} in one batch; give data.crop a size")
    (height, width), count = sizes.pop(), len(samples)
    images = torch.stack([s.image for s in samples])
    scale = torch.tensor([tuple(mean), tuple(std)], dtype=torch.float32)[:, None, :, None, None]
    each = height * width
    own = torch.arange(each)  # views of one picture have the same window
    views = [View(s.view, own, own + i * each) for i, s in enumerate(samples)]
    return Batch(
        inputs=(images - scale[0]) / scale[1],
        sample=torch.arange(count).repeat_interleave(each),
        position=pixel_grid(height, width).repeat(count, 1),
        color=flatten_pixels(images),
        labels=torch.cat([s.labels.reshape(-1) for s in samples]),
        names=tuple(s.name for s in samples),
        weights=joined([None if s.weights is None else s.weights.reshape(-1) for s in samples]),
        tags=joined([None if s.tags is None else s.tags[None] for s in samples]),
        domain=joined([None if s.domain is None else torch.tensor([s.domain]) for s in samples]),
        matches=matches(views),
        point=torch.cat([s.point.reshape(-1) for s in samples]),
    )
