"""Cross-sample feature reallocation (CSFR): the features of a scan rebuilt from those of another scan."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.propagation.affinity import AffinityProfile, BilinearAffinity


class CrossSampleReallocation(nn.Module):
    """``F_{j->i} = softmax_rows(F_i W F_j^T) F_j`` for each sample i and its partner j (arXiv 2107.11267).

    Both directions of a pair share one W: the sample of lower index uses W and the other W^T, so that the scores of
    j -> i are the transpose of those of i -> j. Gradients of a loss on i's rows reach every node of j through the
    values: labels of one scan supervise the other. Arguments: see :class:`BilinearAffinity`.

    >>> reallocation = CrossSampleReallocation(channels=256)
    >>> out = reallocation(feats, sample, partner=torch.tensor([1, 0, 3, 2]))   # pairs (0, 1) and (2, 3)
    """

    def __init__(
        self, channels: int, max_nodes: int | None = 2048, rank: int | None = None, temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.affinity = BilinearAffinity(channels, max_nodes, rank, temperature)

    def forward(
        self, feats: Tensor, sample: Tensor, partner: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return reallocated features (N, C) of ``feats`` (N, C), ``sample`` (N,) int64 and ``partner`` (B,) int64.

        Rows keep their order. A sample may be its own partner; a sample whose partner is empty keeps its features.
        ``generator`` (CPU) draws the nodes of ``max_nodes``. Raises InputError for a partner that does not exist.
        """
        return self.affinity(feats, sample, partner, _reverse(partner), generator)

    def profile(
        self, feats: Tensor, sample: Tensor, partner: Tensor, generator: torch.Generator | None = None
    ) -> AffinityProfile:
        """Return row entropy and column usage of each sample's affinity, which show whether it has collapsed."""
        return self.affinity.profile(feats, sample, partner, _reverse(partner), generator)


def _reverse(partner: Tensor) -> Tensor:
    """Return (B,) bool: whether the partner has the lower index, so that the sample uses W^T."""
    return partner < torch.arange(len(partner), device=partner.device)
