"""Intra-sample feature redistribution (ISFR): the features of a scan rebuilt from all of its own nodes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.propagation.affinity import AffinityProfile, BilinearAffinity


class IntraSampleRedistribution(nn.Module):
    """``F^s = softmax_rows((F W F^T)^T) F`` within each sample (arXiv 2107.11267).

    A label loss on the rows of ``F^s`` reaches every node of the sample. Arguments: see :class:`BilinearAffinity`.
    """

    def __init__(
        self, channels: int, max_nodes: int | None = 2048, rank: int | None = None, temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.affinity = BilinearAffinity(channels, max_nodes, rank, temperature)

    def forward(self, feats: Tensor, sample: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return redistributed features (N, C) of ``feats`` (N, C), ``sample`` (N,) int64, in the same row order.

        ``generator`` (CPU) draws the nodes of ``max_nodes``.
        """
        return self.affinity(feats, sample, *_itself(sample), generator)

    def profile(self, feats: Tensor, sample: Tensor, generator: torch.Generator | None = None) -> AffinityProfile:
        """Return row entropy and column usage of each sample's affinity, which show whether it has collapsed."""
        return self.affinity.profile(feats, sample, *_itself(sample), generator)


def _itself(sample: Tensor) -> tuple[Tensor, Tensor]:
    """Return partner (B,) and transposed (B,): each sample itself, with the transposed affinity of the paper."""
    partner = torch.arange(int(sample.max()) + 1 if len(sample) else 0, device=sample.device)
    return partner, torch.ones_like(partner, dtype=torch.bool)
