"""A transformer block over the tokens of each sample: patches of a picture, or coarse voxels."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pcseg.nn.attend import attend, rows_by_sample
from pcseg.sparse.sizes import check_sizes


class TokenBlock(nn.Module):
    """Attention of one head between the tokens of a sample, then a layer of each token, both added (pre-norm).

    The block of a vision transformer (arXiv 2010.11929, Eq. 2 and 3), on tokens (N, C) of ``sample`` (N,) int64, in any
    order. With ``source`` other than the tokens themselves, they look at the rows of that: ``source`` (M, C) of
    ``source_sample`` (M,), normalized alike. A sample without such rows sees nothing. Raises InputError for sizes below
    1.
    """

    def __init__(self, channels: int, hidden: int = 2) -> None:
        super().__init__()
        check_sizes("TokenBlock", channels=channels, hidden=hidden)
        self.scale = 1 / math.sqrt(channels)
        self.norm, self.last_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.query, self.key, self.value, self.out = (nn.Linear(channels, channels) for _ in range(4))
        self.layers = nn.Sequential(
            nn.Linear(channels, hidden * channels), nn.GELU(), nn.Linear(hidden * channels, channels)
        )

    def forward(
        self, tokens: Tensor, sample: Tensor, source: Tensor | None = None, source_sample: Tensor | None = None
    ) -> Tensor:
        normed = self.norm(tokens)
        seen = normed if source is None else self.norm(source)
        of = sample if source_sample is None else source_sample
        tokens = tokens + self.out(self._looked(self.query(normed), sample, self.key(seen), self.value(seen), of))
        found: Tensor = tokens + self.layers(self.last_norm(tokens))
        return found

    def _looked(self, query: Tensor, sample: Tensor, key: Tensor, value: Tensor, of: Tensor) -> Tensor:
        count = 1 + max((int(x.max()) for x in (sample, of) if len(x)), default=-1)
        rows, seen = rows_by_sample(sample, count), rows_by_sample(of, count)
        parts = [
            attend(query[own], key[near], value[near], self.scale) if len(near) else torch.zeros_like(query[own])
            for own, near in zip(rows, seen, strict=True)
        ]
        return torch.cat([query[:0], *parts])[torch.cat([sample[:0], *rows]).argsort()]
