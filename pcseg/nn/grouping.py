"""Grouping of the tokens of a sample into a few segments, each token into one, with gradients to all."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.nn.attend import rows_by_sample
from pcseg.sparse.sizes import check_sizes


def straight_through(soft: Tensor) -> Tensor:
    """Return the one-hot rows of the largest of ``soft`` (N, G), whose gradient is that of ``soft`` itself."""
    hard = F.one_hot(soft.argmax(dim=1), soft.shape[1]).to(soft.dtype)
    return hard + soft - soft.detach()


class Grouping(nn.Module):
    """The grouping block of GroupViT (Xu et al., arXiv 2202.11094, Eq. 3 to 5): G learned groups take up tokens.

    A token n belongs to the group of the largest softmax, over groups, of (W_q g_i) . (W_k s_n) / sqrt(C); in training
    Gumbel noise is added to the products. A segment is g_i + W_o sum_n A_ni W_v s_n / (sum_n A_ni + 1), A one-hot with
    the gradient of the softmax (:func:`straight_through`). (There attention between groups and tokens precedes it.)
    Noise is drawn from the global generator. Raises InputError for sizes below 1.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        check_sizes("Grouping", channels=channels, groups=groups)
        self.groups = nn.Parameter(torch.randn(groups, channels))
        self.norm, self.group_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.query, self.key, self.value, self.out = (nn.Linear(channels, channels) for _ in range(4))

    def forward(self, tokens: Tensor, sample: Tensor, n_samples: int) -> tuple[Tensor, Tensor]:
        """Return segments (B, G, C) and the assignment (N, G), of rows that sum to 1, without noise in its gradient.

        ``tokens`` (N, C) of ``sample`` (N,) int64, in any order.
        """
        seen = self.norm(tokens)
        scores = self.key(seen) @ self.query(self.group_norm(self.groups)).T / math.sqrt(tokens.shape[1])
        noise = -torch.empty_like(scores).exponential_().log() if self.training else 0.0
        assigned = straight_through((scores + noise).softmax(dim=1))
        value = self.value(seen)
        parts = [
            assigned[own].T @ value[own] / (assigned[own].sum(dim=0)[:, None] + 1)
            for own in rows_by_sample(sample, n_samples)
        ]
        return self.groups + self.out(torch.stack(parts)), scores.softmax(dim=1)
