"""Attention between the rows of features, sample by sample, without storing its matrix."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def rows_by_sample(sample: Tensor, n_samples: int = 0) -> tuple[Tensor, ...]:
    """Return the rows of each sample, in their order; ``sample`` (N,) int64, of at least ``n_samples`` samples."""
    return torch.argsort(sample, stable=True).split(torch.bincount(sample, minlength=n_samples).tolist())


def draw_nodes(rows: Tensor, most: int | None, generator: torch.Generator | None = None) -> Tensor:
    """Return at most ``most`` of ``rows``, all if that is None, drawn without replacement.

    Always drawn on the CPU, so that a run draws the same nodes on every machine.
    """
    if most is None or len(rows) <= most:
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[:most].to(rows.device)]


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float = 1.0) -> Tensor:
    """Return softmax_rows(scale * query key^T) value: (N, C) of queries (N, D), keys (M, D) and values (M, C)."""
    return F.scaled_dot_product_attention(query[None, None], key[None, None], value[None, None], scale=scale)[0, 0]
