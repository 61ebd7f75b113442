"""Make batches of the elements of a batch: some of its samples, or samples with parts of others in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.nn.levels import extents
from pcseg.sparse import SparseTensor


class Part(NamedTuple):
    """A batch made of another one's elements, and the row (E,) int64 that each of its own was there."""

    batch: Batch
    rows: Tensor


def select(batch: Batch, chosen: Tensor) -> Part:
    """Return the samples ``chosen`` (B,) bool of a batch, numbered anew, with their ``weights``, ``tags`` and the like.

    ``matches`` are left out. Raises InputError where none is chosen.
    """
    numbers = chosen.nonzero().flatten()
    if not len(numbers):
        raise InputError("a batch lacks labeled or unlabeled samples; give it some of both, as MixedSampler does")
    rows = chosen[batch.sample].nonzero().flatten()
    number = torch.full_like(chosen, -1, dtype=torch.int64)
    number[numbers] = torch.arange(len(numbers), device=numbers.device)
    sample = number[batch.sample[rows]]
    if isinstance(batch.inputs, SparseTensor):
        inputs: SparseTensor | Tensor = _voxels(batch.inputs, rows, sample)
    else:
        inputs = batch.inputs[numbers]
    found = replace(
        with_elements(batch, rows, sample),
        inputs=inputs,
        names=tuple(batch.names[i] for i in numbers.tolist()),
        tags=None if batch.tags is None else batch.tags[numbers],
        domain=None if batch.domain is None else batch.domain[numbers],
        point=None if batch.point is None else batch.point[rows],
    )
    return Part(found, rows)


def labeled_part(batch: Batch) -> Part:
    """Return the labeled samples of a batch that says which are (``domain`` 0), else all of them."""
    return _of_domain(batch, 0)


def unlabeled_part(batch: Batch) -> Part:
    """Return the unlabeled samples of a batch that says which are (``domain`` 1), else all of them."""
    return _of_domain(batch, 1)


def _of_domain(batch: Batch, domain: int) -> Part:
    if batch.domain is None:
        return Part(batch, torch.arange(len(batch.sample), device=batch.sample.device))
    return select(batch, batch.domain == domain)


def samples_of(batch: Batch, elements: Tensor) -> Tensor:
    """Return (B,) bool: the samples that ``elements``, (M,) int64 or a mask (E,) bool, are of."""
    none = torch.zeros(batch.n_samples, dtype=torch.bool, device=elements.device)
    return none.index_fill(0, batch.sample[elements], True)


def strong_views(batch: Batch) -> Tensor:
    """Return (B,) bool: the later views of a scene; the first, or a sample that is no view, is none.

    Views are matched in their order: the first is never the second of a pair.
    """
    assert batch.matches is not None
    return samples_of(batch, batch.matches[1])


@dataclass(frozen=True)
class Boxes:
    """Regions of B samples: where an odd number of a sample's ``n`` boxes overlap. ``low``, ``high`` (B, n, 2).

    Boxes are in the first two axes of a sample: rows and columns of pixels, or x and y of voxels, at all heights.
    """

    low: Tensor
    high: Tensor

    def hold(self, place: Tensor, sample: Tensor) -> Tensor:
        """Return (E,) bool: the elements at ``place`` (E, 2 or more) that are in the region of ``sample`` (E,)."""
        at = place[:, None, :2]
        return ((at >= self.low[sample]) & (at < self.high[sample])).all(dim=2).sum(dim=1) % 2 == 1


def draw_boxes(batch: Batch, boxes: int = 3, edge: tuple[float, float] = (0.25, 0.5)) -> Boxes:
    """Return regions of ``boxes`` random boxes a sample, as CutMix takes them in semi-supervised segmentation.

    The edges of a box are shares drawn from ``edge`` of the sample's own, over the square root of ``boxes``
    (French et al., arXiv 1906.01916, and cross pseudo supervision, arXiv 2106.01226). Drawn from the global generator.
    """
    place, count = _places(batch)[:, :2], batch.n_samples
    low, high = extents(place, batch.sample, count)
    extent = (high + 1 - low).clamp(min=0)[:, None]
    share = torch.empty(count, boxes, 2).uniform_(*edge).to(place) / boxes**0.5
    corner = low[:, None] + torch.rand(count, boxes, 2).to(place) * (1 - share) * extent
    return Boxes(corner.round(), (corner + share * extent).round())


def mix(batch: Batch, partner: Tensor, boxes: Boxes) -> Part:
    """Return each sample with what its ``partner`` (B,) int64 has in the region ``boxes`` of that sample (CutMix).

    Pixels change places with those at the same row and column; of clouds, the voxels of both are put together, each in
    its own frame, in which samples stand alike: centered, the floor at 0. ``tags`` are those of either; ``domain`` and
    names are the sample's own; ``matches`` and ``point`` are left out. Raises InputError for pictures of two sizes.
    """
    place, device = _places(batch), batch.sample.device
    outside = ~boxes.hold(place, batch.sample)
    if isinstance(batch.inputs, SparseTensor):
        rows, sample = [outside.nonzero().flatten()], [batch.sample[outside]]
        for number, other in enumerate(partner.tolist()):
            theirs = (batch.sample == other).nonzero().flatten()
            target = torch.full_like(theirs, number)
            inside = boxes.hold(place[theirs], target)
            rows.append(theirs[inside])
            sample.append(target[inside])
        taken, number_of = torch.cat(rows), torch.cat(sample)
        inputs: SparseTensor | Tensor = _voxels(batch.inputs, taken, number_of)
    else:
        images = batch.inputs
        each = images.shape[2] * images.shape[3]
        own = torch.arange(len(batch.sample), device=device)
        taken, number_of = torch.where(outside, own, own + (partner[batch.sample] - batch.sample) * each), batch.sample
        kept = outside.view(len(images), 1, *images.shape[2:])
        inputs = torch.where(kept, images, images[partner])
    mixed = replace(
        with_elements(batch, taken, number_of),
        inputs=inputs,
        tags=None if batch.tags is None else batch.tags | batch.tags[partner],
    )
    return Part(mixed, taken)


def next_sample(count: int, device: torch.device | str = "cpu") -> Tensor:
    """Return for each of ``count`` samples the one after it (count,) int64, for the last the first: partners to mix."""
    return torch.arange(count, device=device).roll(-1)


def with_elements(batch: Batch, rows: Tensor, sample: Tensor) -> Batch:
    """Return a batch whose elements are ``rows`` (E,) of this one, of ``sample`` (E,); its inputs are to follow.

    ``matches`` and ``point`` are left out.
    """
    return replace(
        batch,
        sample=sample,
        position=batch.position[rows],
        color=batch.color[rows],
        labels=batch.labels[rows],
        weights=None if batch.weights is None else batch.weights[rows],
        matches=None,
        point=None,
    )


def _voxels(voxels: SparseTensor, rows: Tensor, sample: Tensor) -> SparseTensor:
    coords = torch.cat([sample[:, None].to(voxels.coords), voxels.coords[rows, 1:]], dim=1)
    return SparseTensor(voxels.feats[rows], coords, voxels.stride)


def _places(batch: Batch) -> Tensor:
    """Return where elements are, in whole numbers: (row, column) of pixels, (x, y, z) of voxels."""
    if isinstance(batch.inputs, SparseTensor):
        return batch.inputs.coords[:, 1:].float()
    return batch.position
