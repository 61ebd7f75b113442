"""Affinities of several tasks, each learned by its own, and their mixture by which all refine what they show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pcseg.exact import exact
from pcseg.nn.attend import draw_nodes, rows_by_sample
from pcseg.sparse.sizes import check_sizes


class SampleAffinity(NamedTuple):
    """Of one sample: its ``rows`` (N_b,), the ``nodes`` (M,) of them that are seen, and ``weights`` (N_b, M).

    Each row of the weights sums to 1.
    """

    rows: Tensor
    nodes: Tensor
    weights: Tensor


def rows_and_nodes(sample: Tensor, max_nodes: int | None) -> list[tuple[Tensor, Tensor]]:
    """Return rows and nodes of each sample that has any; ``sample`` (N,) int64. At most ``max_nodes``, drawn."""
    return [(rows, draw_nodes(rows, max_nodes)) for rows in rows_by_sample(sample) if len(rows)]


def spread(affinities: Sequence[SampleAffinity], values: Tensor) -> Tensor:
    """Return (N, C): of each row the mean of ``values`` (N, C) by its weights, in the type of these."""
    order = torch.cat([a.rows for a in affinities]).argsort()
    with torch.autocast(values.device.type, enabled=False):
        return torch.cat([a.weights @ values[a.nodes].to(a.weights.dtype) for a in affinities])[order]


class TaskAffinity(nn.Module):
    """Self-attention of one task (Wang et al., arXiv 1711.07971) that gives its weights too: features (N, C) to (N, C).

    F + W (A (g F)) with A = softmax_rows((theta F) (phi F)^T) within each sample. W begins at 0 there and here, so that
    F is as it was. Raises InputError for sizes below 1.
    """

    def __init__(self, channels: int, width: int = 128) -> None:
        super().__init__()
        check_sizes("TaskAffinity", channels=channels, width=width)
        self.query, self.key, self.value = (nn.Linear(channels, width, bias=False) for _ in range(3))
        self.back = nn.Linear(width, channels, bias=False)
        nn.init.zeros_(self.back.weight)

    def forward(self, feats: Tensor, pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[SampleAffinity]]:
        """Return features and the affinity of each sample; ``pairs``: rows and nodes, which hold every row once."""
        with torch.autocast(feats.device.type, enabled=False):
            wide = exact(feats)
            query, key = self.query(wide), self.key(wide)
            found = [SampleAffinity(rows, nodes, (query[rows] @ key[nodes].T).softmax(dim=1)) for rows, nodes in pairs]
            return wide + self.back(spread(found, self.value(wide))), found


class CrossTaskAffinity(nn.Module):
    """One affinity from those of T tasks: a convex mixture of each pair's weights (AuxSegNet, arXiv 2107.11787).

    The shares of a pair are a softmax of two linear maps, with a ReLU of ``hidden`` between them, of its weights in all
    tasks, each times the number of nodes, so that they are about 1 in scenes of any size. (There the first map is a 3x3
    convolution on the matrix, which needs elements in a grid.) Rows are divided by their sum. The mixture begins at
    equal shares. Raises InputError for sizes below 1.
    """

    def __init__(self, tasks: int = 2, hidden: int = 8) -> None:
        super().__init__()
        check_sizes("CrossTaskAffinity", tasks=tasks, hidden=hidden)
        self.first, self.second = nn.Linear(tasks, hidden), nn.Linear(hidden, tasks)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, *tasks: Sequence[SampleAffinity]) -> list[SampleAffinity]:
        """Return the mixed affinity of each sample, of those of each task, all of the same rows and nodes."""
        mixed = []
        for own in zip(*tasks, strict=True):
            stacked = torch.stack([a.weights for a in own], dim=-1)
            with torch.autocast(stacked.device.type, enabled=False):
                shares = self.second(self.first(stacked * stacked.shape[1]).relu()).softmax(dim=-1)
            weights = (shares * stacked).sum(dim=-1)
            mixed.append(SampleAffinity(own[0].rows, own[0].nodes, weights / weights.sum(dim=1, keepdim=True)))
        return mixed
