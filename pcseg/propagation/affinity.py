"""Which nodes resemble which: a learnable bilinear affinity, softmaxed over rows, that is never stored as a matrix."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.errors import InputError

PROFILE_CHUNK = 1024  # rows of the affinity matrix that a profile holds at a time


class AffinityProfile(NamedTuple):
    """How an affinity matrix (N_i, N_j) spreads its weight, per sample: both (B,), NaN where N_j < 2 or N_i = 0.

    ``entropy``: mean entropy of the rows divided by log N_j; 0 is a one-hot matrix, 1 a uniform one.
    ``usage``: exp(entropy of the mean row) / N_j, the share of columns that is in use; 1 / N_j is a collapse to one column.
    """

    entropy: Tensor
    usage: Tensor


class _Attention(NamedTuple):
    """One sample's part of the computation: its rows, those of its partner's nodes, and their queries and keys."""

    rows: Tensor
    nodes: Tensor
    query: Tensor
    key: Tensor


class BilinearAffinity(nn.Module):
    """Rows of one sample rebuilt from the rows of another: ``A F_p``, ``A = softmax_rows(LN(F_b) W LN(F_p)^T / temperature)``.

    Source: dense supervision propagation, arXiv 2107.11267. LN is a layer norm without parameters
    (W absorbs a scale), on queries and keys only: the values are the features themselves, so each row that comes out
    is a convex combination of rows that went in. W starts at I / sqrt(C), the scores of scaled dot-product attention.

    ``rank`` r factorises W = U V^T with U, V (C, r); both start as r orthonormal columns, scaled so that W is
    I / sqrt(C) on average over such bases. ``max_nodes`` caps the rows that a sample offers as keys and values
    to a random subset of that size (None: all); every row stays a query. Memory grows with N, not N^2; on CUDA
    this needs C to be a multiple of 4 (PyTorch's fused kernels). Half-precision features are attended in float32.
    """

    def __init__(
        self, channels: int, max_nodes: int | None = 2048, rank: int | None = None, temperature: float = 1.0
    ) -> None:
        super().__init__()
        if channels < 1:
            raise InputError(f"channels={channels}: features need at least one channel")
        if max_nodes is not None and max_nodes < 1:
            raise InputError(f"max_nodes={max_nodes}: give at least 1, or None for no cap")
        if rank is not None and not 1 <= rank <= channels:
            raise InputError(f"rank={rank}: give 1 to {channels} (the channels), or None for a full matrix")
        if not temperature > 0:
            raise InputError(f"temperature={temperature}: it divides the scores; give a number above 0")
        self.channels, self.max_nodes, self.temperature = channels, max_nodes, temperature
        if rank is None:
            self.factors = nn.ParameterList([nn.Parameter(torch.eye(channels) / math.sqrt(channels))])
        else:
            # Its own generator, so that making this module leaves the network's initial weights as they were.
            basis = torch.empty(channels, rank)
            nn.init.orthogonal_(basis, generator=torch.Generator().manual_seed(0))
            basis *= math.sqrt(channels / rank) / channels**0.25  # U V^T = (C / r) (projection on r axes) / sqrt(C)
            self.factors = nn.ParameterList([nn.Parameter(basis.clone()), nn.Parameter(basis.clone())])

    @property
    def weight(self) -> Tensor:
        """W, (C, C)."""
        return self.factors[0] if len(self.factors) == 1 else self.factors[0] @ self.factors[1].T

    def forward(
        self,
        feats: Tensor,
        sample: Tensor,
        partner: Tensor,
        transposed: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Each sample's rows rebuilt from its partner's.

        ``feats`` (N, C); ``sample`` (N,) int64 in [0, B), rows of one sample need not be contiguous; ``partner`` (B,)
        int64 names each sample's source; ``transposed`` (B,) bool, where the affinity uses W^T instead of W. Returns
        (N, C), differentiable in ``feats`` on both sides and in W. A sample whose partner has no row keeps its features.
        The subset drawn under ``max_nodes`` comes from ``generator`` (on the CPU; default: the global one).
        """
        with torch.autocast(device_type=feats.device.type, enabled=False):
            exact = feats if feats.dtype == torch.float64 else feats.float()
            attentions = list(self._attentions(exact, sample, partner, transposed, generator))
            parts = [_attend(a.query, a.key, exact[a.nodes]) if len(a.nodes) else exact[a.rows] for a in attentions]
        if not parts:
            return feats
        order = torch.cat([a.rows for a in attentions])
        return torch.cat(parts)[torch.argsort(order)].to(feats.dtype)

    @torch.no_grad()
    def profile(
        self,
        feats: Tensor,
        sample: Tensor,
        partner: Tensor,
        transposed: Tensor,
        generator: torch.Generator | None = None,
    ) -> AffinityProfile:
        """How the affinity that :meth:`forward` applies with these arguments is spread; a block of rows at a time."""
        found = []
        with torch.autocast(device_type=feats.device.type, enabled=False):
            exact = feats if feats.dtype == torch.float64 else feats.float()
            for a in self._attentions(exact, sample, partner, transposed, generator):
                if len(a.nodes) < 2 or len(a.rows) == 0:
                    found.append((math.nan, math.nan))
                    continue
                entropy, mean_row = 0.0, exact.new_zeros(len(a.nodes))
                for query in a.query.split(PROFILE_CHUNK):
                    affinity = (query @ a.key.T).softmax(dim=1)
                    entropy += float(torch.special.entr(affinity).sum())
                    mean_row += affinity.sum(dim=0) / len(a.rows)
                columns = float(torch.special.entr(mean_row).sum().exp())
                found.append((entropy / len(a.rows) / math.log(len(a.nodes)), columns / len(a.nodes)))
        table = torch.tensor(found, dtype=torch.float64).reshape(-1, 2)
        return AffinityProfile(table[:, 0], table[:, 1])

    def _attentions(
        self,
        feats: Tensor,
        sample: Tensor,
        partner: Tensor,
        transposed: Tensor,
        generator: torch.Generator | None,
    ) -> Iterator[_Attention]:
        """The attention of each sample in turn, over its partner's nodes."""
        if feats.ndim != 2 or feats.shape[1] != self.channels:
            raise InputError(f"features of shape {tuple(feats.shape)}: (N, {self.channels}) is needed")
        normed = F.layer_norm(feats, (self.channels,))
        weight = self.weight.to(feats.dtype) / self.temperature
        counts = torch.bincount(sample, minlength=len(partner)).tolist()
        if len(counts) > len(partner):
            raise InputError(f"sample {len(counts) - 1} has no partner: only {len(partner)} partners are given")
        rows = torch.argsort(sample, stable=True).split(counts)
        for own, source, flip in zip(rows, partner.tolist(), transposed.tolist(), strict=True):
            if not 0 <= source < len(rows):
                raise InputError(f"partner {source}: there are only samples 0 to {len(rows) - 1}")
            nodes = self._draw(rows[source], generator)
            yield _Attention(own, nodes, normed[own] @ (weight.T if flip else weight), normed[nodes])

    def _draw(self, rows: Tensor, generator: torch.Generator | None) -> Tensor:
        """At most ``max_nodes`` of ``rows``, without replacement."""
        if self.max_nodes is None or len(rows) <= self.max_nodes:
            return rows
        # Drawn on the CPU whatever the device, so that a run draws the same nodes on every machine.
        return rows[torch.randperm(len(rows), generator=generator)[: self.max_nodes].to(rows.device)]


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax_rows(query key^T) value, (N_i, C), without the (N_i, N_j) matrix."""
    return F.scaled_dot_product_attention(query[None, None], key[None, None], value[None, None], scale=1.0)[0, 0]
