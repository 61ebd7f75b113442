"""Losses by which a network learns from another one of any width: of whole samples, and of regions among each other."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.exact import exact
from pcseg.losses.means import weighted_mean
from pcseg.nn.directions import directions
from pcseg.nn.levels import Level, extents, rows_of, sample_of
from pcseg.ops import segment_mean
from pcseg.sparse import SparseTensor


def sample_mean_distance(logits: Tensor, target: Tensor, sample: Tensor, n_samples: int) -> Tensor:
    """Return the sum over samples and classes of |mean logits - mean target|, both (E, K), of ``sample`` (E,) int64.

    The image level of multi-granularity distillation (MGD, arXiv 2208.10169), a sum as in its code: it
    grows with the batch. Computed in float32 or float64.
    """
    ours, theirs = (segment_mean(exact(x), sample, n_samples) for x in (logits, target))
    return (ours - theirs).abs().sum()


def region_means(level: Level, inputs: Level, per_axis: int = 7) -> tuple[Tensor, Tensor]:
    """Return the mean features (B, R, C) of R = per_axis^d cells of each sample, and which have any, (B, R) bool.

    The cells divide the extent of the samples of ``inputs``, d = 2 for maps and 3 for voxels, alike for a ``level`` of
    any stride; an element belongs to the cell that its middle is in. In float32 or float64.
    """
    cell, count = _cells(level, inputs, per_axis)
    sample = sample_of(level)
    number = per_axis ** cell.shape[1]
    base = per_axis ** torch.arange(cell.shape[1], device=cell.device)
    segment = sample * number + (cell * base).sum(dim=1)
    means = segment_mean(exact(rows_of(level)), segment, count * number)
    present = torch.zeros(count * number, dtype=torch.bool, device=cell.device).index_fill(0, segment, True)
    return means.view(count, number, -1), present.view(count, number)


def self_similarity_distance(means: Tensor, present: Tensor, other_means: Tensor, other_present: Tensor) -> Tensor:
    """Return the mean squared difference of the cosine similarities of all pairs of cells of a sample, two networks'.

    The region level of MGD (arXiv 2208.10169). ``means`` (B, R, C) and ``other_means`` (B, R, C') are
    those of :func:`region_means`; cells that are not ``present`` (B, R) bool in both take no part. Without cells it
    is 0.
    """
    ours, theirs = directions(means), directions(other_means)
    both = present & other_present
    pairs = both[:, :, None] & both[:, None]
    error = (ours @ ours.transpose(1, 2) - theirs @ theirs.transpose(1, 2)).square()
    return weighted_mean(error, pairs)


def _cells(level: Level, inputs: Level, per_axis: int) -> tuple[Tensor, int]:
    """Return the cell (E, d) int64 of each row of a level along each axis, and the number of samples."""
    if isinstance(level, SparseTensor):
        assert isinstance(inputs, SparseTensor)
        count = inputs.n_samples
        low, high = (edge[level.sample] for edge in extents(inputs.coords[:, 1:].float(), inputs.sample, count))
        place = (level.coords[:, 1:] + level.stride / 2 - low) / (high + 1 - low)
        return (place * per_axis).floor().clamp(0, per_axis - 1).long(), count
    count, _, height, width = level.shape
    axes = ((torch.arange(size, device=level.device) + 0.5) * per_axis / size for size in (height, width))
    row, column = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([row, column], dim=-1).long().view(-1, 2).repeat(count, 1), count
