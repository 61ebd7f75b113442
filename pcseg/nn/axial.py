"""Axial pooled attention: elements exchange what they hold along one axis at a time, for pixels and voxels alike."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pcseg import ops
from pcseg.errors import InputError
from pcseg.sparse.sizes import check_sizes


class AxialAttention(nn.Module):
    """Attention between the slices of a sample, in each of 2 or 3 axes, by the means of their features.

    The axial attention of P2AT (Elhassan et al., arXiv 2310.15025), there of the rows and columns of an image. A slice
    is all elements at one position of an axis; empty ones take no part. Slices look at the others of their axis with
    queries, keys and values of their mean feature; an element at (i, j, k) gets project(v + a_1[i] + a_2[j] + a_3[k]),
    v its own value and a_1, a_2, a_3 those that its slices found. To queries and keys a learned embedding of the
    position is added, of ``positions`` places, resized linearly to the slices of the sample. Each of ``heads`` heads
    has ``key_channels`` channels in queries and keys and twice as many in values. Time is O(E), and the square of the
    number of slices. Raises InputError for sizes that do not fit.
    """

    def __init__(
        self, channels: int, heads: int = 8, key_channels: int = 16, axes: int = 3, positions: int = 16
    ) -> None:
        super().__init__()
        sizes = {"channels": channels, "heads": heads, "key_channels": key_channels, "positions": positions}
        check_sizes("AxialAttention", axes=axes, **sizes)
        self.heads, self.axes = heads, axes
        width = heads * key_channels
        self.query = nn.Linear(channels, width)
        self.key = nn.Linear(channels, width)
        self.value = nn.Linear(channels, 2 * width)
        self.query_position = nn.Parameter(torch.randn(axes, positions, width))
        self.key_position = nn.Parameter(torch.randn(axes, positions, width))
        self.project = nn.Linear(2 * width, channels)

    def forward(self, feats: Tensor, index: Tensor, sample: Tensor) -> Tensor:
        """Return features (E, C) of ``feats`` (E, C), ``index`` (E, axes) int64 from 0 on, and ``sample`` (E,) int64.

        Rows may come in any order. The number of slices of a sample is its largest index plus one. Raises InputError
        for other shapes.
        """
        if index.shape != (len(feats), self.axes) or len(sample) != len(feats):
            found = f"feats {tuple(feats.shape)}, index {tuple(index.shape)}, sample {tuple(sample.shape)}"
            raise InputError(f"{found}: give (E, C), (E, {self.axes}) and (E,)")
        value = self.value(feats)
        if len(feats):
            n_samples = int(sample.max()) + 1
            extent = ops.segment_max(index.float(), sample, n_samples).long() + 1
            for axis in range(self.axes):
                value = value + ops.gather(*self._slices(feats, index[:, axis], sample, extent[:, axis], axis))
        return self.project(value)

    def _slices(self, feats: Tensor, index: Tensor, sample: Tensor, extent: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """Return what attention gives the L slices of the B samples (B * L, D), and that row of each element (E,)."""
        samples, longest = len(extent), int(extent.max())
        row = sample * longest + index
        mean = ops.segment_mean(feats, row, samples * longest)
        present = torch.zeros(samples * longest, dtype=torch.bool, device=row.device).index_fill(0, row, True)
        query = self._split(self.query(mean) + _interpolated(self.query_position[axis], extent, longest), samples)
        key = self._split(self.key(mean) + _interpolated(self.key_position[axis], extent, longest), samples)
        value = self._split(self.value(mean), samples)
        scores = query / math.sqrt(query.shape[3]) @ key.transpose(2, 3)
        # The smallest number, not -inf: a sample without slices would be NaN, and so would its gradient.
        absent = ~present.view(samples, 1, 1, longest)
        scores = scores.masked_fill(absent, torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=3, dtype=_wide(scores)).to(value.dtype)
        return (weights @ value).transpose(1, 2).reshape(samples * longest, -1), row

    def _split(self, rows: Tensor, samples: int) -> Tensor:
        """Return rows (B * L, D) by sample and head, (B, heads, L, D / heads)."""
        return rows.view(samples, len(rows) // samples, self.heads, -1).transpose(1, 2)


def _interpolated(table: Tensor, extent: Tensor, longest: int) -> Tensor:
    """Return (B * longest, D): the rows of ``table`` (P, D) resized linearly to extent[b] rows for each sample b.

    Corners are not aligned: slice i of n is at place (i + 0.5) P / n - 0.5. Rows from extent[b] on are the last one.
    """
    last = len(table) - 1
    slices = torch.arange(longest, device=table.device, dtype=_wide(table)) + 0.5
    place = (slices * len(table) / extent[:, None] - 0.5).clamp(0, last).flatten()
    low = place.long()
    share = (place - low).to(table.dtype)[:, None]
    return torch.lerp(table[low], table[(low + 1).clamp(max=last)], share)


def _wide(values: Tensor) -> torch.dtype:
    return torch.promote_types(values.dtype, torch.float32)
