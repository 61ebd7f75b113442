"""Batches whose samples were turned or taken apart, so that a network can be asked how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from pcseg.elements import flatten_pixels, pixel_grid
from pcseg.feeding.batch import Batch
from pcseg.feeding.feature import Feature
from pcseg.feeding.regroup import with_elements
from pcseg.scenes.points import HEIGHTS
from pcseg.sparse import SparseTensor

WAYS_UP = torch.tensor([
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    [[0, 0, 1], [0, 1, 0], [-1, 0, 0]], [[0, 0, -1], [0, 1, 0], [1, 0, 0]],
    [[1, 0, 0], [0, 0, 1], [0, -1, 0]], [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
])  # fmt: skip
"""Rotations (6, 3, 3) by which what was above comes to be at +z, -z, +x, -x, +y and -y."""

RIGHT_ANGLES = 4
"""Ways to turn a picture."""


class Shuffled(NamedTuple):
    """A batch whose samples were cut into 2^d cells that changed places.

    ``rows`` (E',) int64: the element of the batch before; ``place`` (E',) int64: the cell, of all samples, that an
    element is in now, sample * 2^d + number.
    """

    batch: Batch
    rows: Tensor
    place: Tensor


def turn(batch: Batch, ways: Tensor, features: Sequence[Feature] = ()) -> tuple[Batch, Tensor]:
    """Return a batch whose samples are turned by ``ways`` (B,) int64, and the row (E',) that each element was before.

    Pictures by 0 to 3 right angles, counter-clockwise (Gidaris et al., arXiv 1803.07728); they are cut to the square in
    their middle. Clouds by one of WAYS_UP, each axis from where it began: scenes know no direction but up, so that a
    turn about the vertical would ask for nothing. Of ``features``, those of the input, heights are measured anew,
    normals turned (computed ones point upward, as before), and verticality, which would tell, is 0. ``matches`` and
    ``point`` are left out.
    """
    if isinstance(batch.inputs, SparseTensor):
        return _turned_clouds(batch, ways, features), torch.arange(len(batch.sample), device=ways.device)
    height, width = batch.inputs.shape[2:]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    number = torch.arange(height * width, device=ways.device).view(height, width)
    square = number[top : top + edge, left : left + edge]
    grids = torch.stack([square.rot90(k) for k in range(RIGHT_ANGLES)])[ways]
    return _rearranged(batch, grids)


def shuffle_cells(batch: Batch, order: Tensor, voxel_size: float = 1.0, features: Sequence[Feature] = ()) -> Shuffled:
    """Return a batch in whose samples place n of 2^d equal cells shows what cell ``order[b, n]`` showed before.

    The jigsaw of Noroozi and Favaro (arXiv 1603.09246), of clouds as Sauder and Sievers do it (arXiv 1901.08396).
    ``order`` (B, 2^d) int64, a permutation for each sample; d = 2 for pictures, of which an odd last row or column is
    left out, 3 for clouds, halved at the middle of their extent. ``voxel_size``, in meters, moves positions and the
    heights among ``features``. ``matches`` and ``point`` are left out.
    """
    if isinstance(batch.inputs, SparseTensor):
        return _shuffled_clouds(batch, order, voxel_size, features)
    h, w = (size // 2 for size in batch.inputs.shape[2:])
    number = torch.arange(batch.inputs[0, 0].numel(), device=order.device).view(batch.inputs.shape[2:])
    cells = number[: 2 * h, : 2 * w].view(2, h, 2, w).transpose(1, 2).reshape(4, h, w)
    grids = cells[order].view(-1, 2, 2, h, w).transpose(2, 3).reshape(-1, 2 * h, 2 * w)
    found, rows = _rearranged(batch, grids)
    place = torch.arange(4, device=order.device).view(2, 1, 2, 1).expand(2, h, 2, w).reshape(-1)
    return Shuffled(found, rows, found.sample * 4 + place.repeat(batch.n_samples))


def _rearranged(batch: Batch, grids: Tensor) -> tuple[Batch, Tensor]:
    """Return pictures that show the pixels ``grids`` (B, h, w) int64 of each picture of the batch, and their rows."""
    images = batch.inputs
    assert isinstance(images, Tensor)
    count, height, width = grids.shape
    each = images.shape[2] * images.shape[3]
    rows = (grids + torch.arange(count, device=grids.device).view(-1, 1, 1) * each).flatten()
    seen = flatten_pixels(images)[rows].view(count, height, width, -1).permute(0, 3, 1, 2)
    place = pixel_grid(height, width, rows.device).repeat(count, 1)
    return replace(with_elements(batch, rows, batch.sample[rows]), inputs=seen, position=place), rows


def _turned_clouds(batch: Batch, ways: Tensor, features: Sequence[Feature]) -> Batch:
    voxels, sample = batch.voxels, batch.sample
    turns = WAYS_UP.to(ways.device)[ways]
    # Of voxel v the middle is at v + 1/2: in halves all numbers are whole, and odd.
    halves = _rotated(2 * voxels.coords[:, 1:].long() + 1, turns[sample])
    coords = torch.div(halves, 2, rounding_mode="floor")
    position = _rotated(batch.position, turns[sample])
    for new, old in ((coords, voxels.coords[:, 1:].long()), (position, batch.position)):
        for axis in range(3):
            new[:, axis] += (_lowest(old[:, axis], sample) - _lowest(new[:, axis], sample))[sample]
    feats = voxels.feats.clone()
    for feature, own in zip(features, _columns(features), strict=True):
        if feature.name in HEIGHTS:
            above = position[:, 2] - _lowest(position[:, 2], sample)[sample]
            feats[:, own] = (above + _lowest(feats[:, own][:, 0], sample)[sample])[:, None].to(feats)
        elif feature.name == "normal":
            normal = _rotated(feats[:, own], turns[sample])
            down = (normal[:, 2:] < 0) if feature.computed else torch.zeros_like(normal[:, 2:], dtype=torch.bool)
            feats[:, own] = torch.where(down, -normal, normal)
        elif feature.name == "verticality":
            feats[:, own] = 0
    return _moved(batch, coords, feats, position)


def _shuffled_clouds(batch: Batch, order: Tensor, voxel_size: float, features: Sequence[Feature]) -> Shuffled:
    voxels, sample = batch.voxels, batch.sample
    at = voxels.coords[:, 1:].long()
    low = torch.stack([_lowest(at[:, i], sample) for i in range(3)], dim=1)
    extent = torch.stack([-_lowest(-at[:, i], sample) for i in range(3)], dim=1) + 1 - low
    half = torch.div(extent + 1, 2, rounding_mode="floor")[sample]
    axis = torch.arange(3, device=sample.device)
    was = (at - low[sample] >= half).long()
    number = (was << axis).sum(dim=1)
    place = order.argsort(dim=1)[sample, number]
    shift = ((place[:, None] >> axis & 1) - was) * half
    feats = voxels.feats.clone()
    for feature, own in zip(features, _columns(features), strict=True):
        if feature.name in HEIGHTS:
            feats[:, own] += voxel_size * shift[:, 2:].to(feats)
    position = batch.position + voxel_size * shift.to(batch.position)
    rows = torch.arange(len(sample), device=sample.device)
    return Shuffled(_moved(batch, at + shift, feats, position), rows, sample * 8 + place)


def _moved(batch: Batch, coords: Tensor, feats: Tensor, position: Tensor) -> Batch:
    place = torch.cat([batch.voxels.coords[:, :1], coords.int()], dim=1)
    return replace(batch, inputs=SparseTensor(feats, place), position=position, matches=None, point=None)


def _rotated(vectors: Tensor, turns: Tensor) -> Tensor:
    """Return vectors (E, 3) turned by rotations (E, 3, 3)."""
    # Not as matrices: CUDA has no product of those of int64.
    return (turns.to(vectors) * vectors[:, None]).sum(dim=2)


def _lowest(values: Tensor, sample: Tensor) -> Tensor:
    """Return the smallest of ``values`` (E,) in each sample, 0 where there are none."""
    count = int(sample.max()) + 1 if len(sample) else 0
    return values.new_zeros(count).scatter_reduce(0, sample, values, "amin", include_self=False)


def _columns(features: Sequence[Feature]) -> list[slice]:
    """Return the channels of each feature in the input."""
    ends = torch.tensor([0, *(feature.width for feature in features)]).cumsum(0).tolist()
    return [slice(start, end) for start, end in pairwise(ends)]
