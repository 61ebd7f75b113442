"""Samples that share a tag as nodes of a graph, which tell each other what they have in common."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.checks import from_zero_to_one
from pcseg.nn.level_layers import level_conv
from pcseg.nn.levels import Level, rows_of, sample_of, with_rows
from pcseg.ops import segment_max
from pcseg.propagation.affinity import BilinearAffinity
from pcseg.sparse.sizes import check_sizes


def partners_of_tags(tags: Tensor, size: int) -> Tensor:
    """Return (B, size - 1) int64: other samples that share a tag with each, at random; itself where there are no more.

    ``tags`` (B, K) bool. Drawn from the global generator of the CPU. Raises InputError for a size below 1.
    """
    check_sizes("group", size=size)
    count = len(tags)
    own = torch.arange(count, device=tags.device)
    shared = (tags.float() @ tags.float().T > 0) & (own[:, None] != own)
    lot = torch.where(shared, torch.rand(count, count).to(tags.device), 2.0)
    order = lot.argsort(dim=1)[:, : size - 1]
    found = torch.where(shared.gather(1, order), order, own[:, None])
    return torch.cat([found, own[:, None].expand(count, size - 1 - found.shape[1])], dim=1)


def drop_nodes(rows: Tensor, sample: Tensor, n_samples: int, threshold: float = 0.7, rate: float = 0.8) -> Tensor:
    """Return features (N, C), all at half of their size, and at full size what chance selects.

    The graph dropout layer of Group-WSSS (arXiv 2012.05007, as in its code): with probability ``rate`` the
    elements whose mean over channels is below ``threshold`` times the largest of the sample, else all by the sigmoid of
    that mean. One lot for all samples, from the global generator of the CPU. ``sample`` (N,) int64.
    """
    strength = rows.mean(dim=1)
    highest = segment_max(strength, sample, n_samples)
    dull = (strength < threshold * highest[sample]).to(rows.dtype)
    chosen = dull if float(torch.rand(())) < rate else strength.sigmoid()
    return (rows * chosen[:, None] + rows) / 2


class GroupGraph(nn.Module):
    """Group-wise semantic mining (Group-WSSS, arXiv 2012.05007): states of samples from their partners'.

    In each of ``rounds`` a sample attends to the rows of each partner: the affinity of cross-sample reallocation
    (:class:`pcseg.propagation.BilinearAffinity`, which both directions of a pair share, as there). The mean of what it
    sees, each row times a gate, is its message, which a convolution and a gated recurrent unit put into its state; in
    training :func:`drop_nodes` follows, with ``rate``. (The mean where the code has an order of two partners.) A sample
    that has no partner but itself keeps its state, and with 0 rounds all do. ``max_nodes``: rows that a sample offers,
    a random subset if it has more. Raises InputError for values out of range.
    """

    def __init__(
        self, pixels: bool, channels: int, rounds: int = 3, rate: float = 0.8, max_nodes: int | None = 2048
    ) -> None:
        super().__init__()
        check_sizes("GroupGraph", channels=channels, rounds=rounds + 1)
        from_zero_to_one(rate=rate)
        self.rounds, self.rate = rounds, rate
        self.coattention = BilinearAffinity(channels, max_nodes)
        self.gate = nn.Linear(channels, 1)
        self.message = level_conv(pixels, channels, channels)
        self.update = nn.GRUCell(channels, channels)

    def forward(self, level: Level, partners: Tensor) -> Level:
        """Return the states (N, C) of a level after the last round; ``partners`` (B, S) int64, itself for none."""
        sample = sample_of(level)
        own = torch.arange(len(partners), device=partners.device)
        real = partners != own[:, None]
        share = real / real.sum(dim=1, keepdim=True).clamp(min=1)
        grouped = real.any(dim=1)[sample, None]
        for _ in range(self.rounds if bool(real.any()) else 0):
            state = rows_of(level)
            told = torch.zeros_like(state)
            for partner, part in zip(partners.T, share.T, strict=True):
                seen = self.coattention(state, sample, partner, partner < own)
                told = told + part[sample, None] * self.gate(seen).sigmoid() * seen
            new = self.update(rows_of(self.message(with_rows(level, told))), state)
            if self.training:
                new = drop_nodes(new, sample, len(partners), rate=self.rate)
            level = with_rows(level, torch.where(grouped, new, state))
        return level
