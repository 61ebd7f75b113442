"""A map of the features of one level of a network to features of the same size, on voxels and pixels alike."""

from __future__ import annotations

import torch
from torch import nn

from pcseg.checks import from_zero_to_one
from pcseg.nn.levels import Level, rows_of, sample_of, with_rows
from pcseg.nn.norm import BatchNorm
from pcseg.sparse import SparseTensor


class FeatureMapping(nn.Module):
    """A linear map of the features of each voxel or pixel (1x1 convolution), batch norm, ReLU, dropout of channels.

    In training each sample loses each of its channels as a whole with the probability ``dropout``, and what is left is
    enlarged to the same mean. That of the second branch of conflict-based cross-view consistency (arXiv 2303.01276, its
    released code). Takes and returns voxels of ``channels`` features, or maps (B, channels, H, W). Drawn from the
    global generator. Raises InputError for a probability outside [0, 1].
    """

    def __init__(self, channels: int, dropout: float = 0.5) -> None:
        super().__init__()
        from_zero_to_one(dropout=dropout)
        self.linear = nn.Linear(channels, channels, bias=False)
        self.norm = BatchNorm(channels)
        self.dropout = dropout

    def forward(self, level: Level) -> Level:
        mapped = torch.relu(self.norm(self.linear(rows_of(level))))
        if self.training and self.dropout > 0:
            count = level.n_samples if isinstance(level, SparseTensor) else len(level)
            kept = torch.rand(count, mapped.shape[1]) >= self.dropout
            mapped = mapped * (kept / max(1 - self.dropout, 1e-6)).to(mapped)[sample_of(level)]
        return with_rows(level, mapped)
