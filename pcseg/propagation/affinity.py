"""Bilinear affinity between nodes: learned, with a softmax over rows, never stored as a matrix."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.checks import above_zero
from pcseg.errors import InputError
from pcseg.exact import exact
from pcseg.nn.attend import attend, draw_nodes, rows_by_sample

PROFILE_CHUNK = 1024
"""Number of rows of the affinity matrix that a profile holds at a time."""


class AffinityProfile(NamedTuple):
    """Spread of the weights of each sample's affinity matrix (N_i, N_j): both (B,), NaN where N_j < 2 or N_i = 0.

    ``entropy``: mean entropy of the rows divided by log N_j; 0 for a one-hot matrix, 1 for a uniform one.
    ``usage``: exp(entropy of the mean row) / N_j, the share of columns in use; 1 / N_j is a collapse to one
    column.
    """

    entropy: Tensor
    usage: Tensor


class _Attention(NamedTuple):
    """One sample's part: its rows (N_i,), its partner's nodes (N_j,), queries (N_i, C) and keys (N_j, C)."""

    rows: Tensor
    nodes: Tensor
    query: Tensor
    key: Tensor


class BilinearAffinity(nn.Module):
    """Rebuild rows of one sample from another: ``A F_p``, ``A = softmax_rows(LN(F_b) W LN(F_p)^T / temperature)``.

    Source: dense supervision propagation, arXiv 2107.11267. LN is a layer norm without parameters (W absorbs a scale),
    applied to queries and keys only. The values are the features themselves, so each output row is a convex combination
    of input rows. W starts at I / sqrt(C), the scores of scaled dot-product attention.

    ``rank`` r factorizes W = U V^T with U, V (C, r); both start as r orthonormal columns, scaled so that W is
    I / sqrt(C) on average over such bases. ``max_nodes`` limits the rows that a sample offers as keys and values to a
    random subset of that size (None: all); every row is a query. Memory grows with N, not N^2; on CUDA this needs C to
    be a multiple of 4 (PyTorch's fused kernels). Half precision is computed in float32. Raises InputError for arguments
    out of range.
    """

    def __init__(
        self, channels: int, max_nodes: int | None = 2048, rank: int | None = None, temperature: float = 1.0
    ) -> None:
        super().__init__()
        if channels < 1:
            raise InputError(f"channels={channels}: give 1 or more")
        if max_nodes is not None and max_nodes < 1:
            raise InputError(f"max_nodes={max_nodes}: give at least 1, or None for no limit")
        if rank is not None and not 1 <= rank <= channels:
            raise InputError(f"rank={rank}: give 1 to {channels} (the channels), or None for a full matrix")
        above_zero(temperature=temperature)
        self.channels, self.max_nodes, self.temperature = channels, max_nodes, temperature
        if rank is None:
            self.factors = nn.ParameterList([nn.Parameter(torch.eye(channels) / math.sqrt(channels))])
        else:
            # A generator of its own, so that creating this module does not change the initial weights of networks.
            basis = torch.empty(channels, rank)
            nn.init.orthogonal_(basis, generator=torch.Generator().manual_seed(0))
            basis *= math.sqrt(channels / rank) / channels**0.25  # U V^T = (C / r) (projection on r axes) / sqrt(C)
            self.factors = nn.ParameterList([nn.Parameter(basis.clone()), nn.Parameter(basis.clone())])

    @property
    def weight(self) -> Tensor:
        """The matrix W, (C, C)."""
        return self.factors[0] if len(self.factors) == 1 else self.factors[0] @ self.factors[1].T

    def forward(
        self,
        feats: Tensor,
        sample: Tensor,
        partner: Tensor,
        transposed: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return each sample's rows rebuilt from its partner's, (N, C), differentiable in ``feats`` and in W.

        ``feats`` (N, C); ``sample`` (N,) int64 in [0, B), rows of one sample need not be contiguous; ``partner`` (B,)
        int64: the source of each sample; ``transposed`` (B,) bool: whether its affinity uses W^T instead of W. A sample
        whose partner has no rows keeps its features. ``generator`` (on the CPU; default: the global one) draws the
        subset of ``max_nodes``. Raises InputError for other shapes and for partners that do not exist.
        """
        with torch.autocast(device_type=feats.device.type, enabled=False):
            wide = exact(feats)
            attentions = list(self._attentions(wide, sample, partner, transposed, generator))
            parts = [attend(a.query, a.key, wide[a.nodes]) if len(a.nodes) else wide[a.rows] for a in attentions]
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
        """Return the profile of the affinity that :meth:`forward` applies; computed for a block of rows at a time."""
        found = []
        with torch.autocast(device_type=feats.device.type, enabled=False):
            wide = exact(feats)
            for a in self._attentions(wide, sample, partner, transposed, generator):
                if len(a.nodes) < 2 or len(a.rows) == 0:
                    found.append((math.nan, math.nan))
                    continue
                entropy, mean_row = 0.0, wide.new_zeros(len(a.nodes))
                for query in a.query.split(PROFILE_CHUNK):
                    affinity = (query @ a.key.T).softmax(dim=1)
                    entropy += float(torch.special.entr(affinity).sum())
                    mean_row += affinity.sum(dim=0) / len(a.rows)
                columns = float(torch.special.entr(mean_row).sum().exp())
                found.append((entropy / len(a.rows) / math.log(len(a.nodes)), columns / len(a.nodes)))
        table = torch.tensor(found, dtype=torch.float64).reshape(-1, 2)
        return AffinityProfile(table[:, 0], table[:, 1])

    def project(self, feats: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries ``LN(F) W`` and keys ``LN(F)`` of features (N, C), whose products are the scores of nodes."""
        with torch.autocast(device_type=feats.device.type, enabled=False):
            keys = F.layer_norm(exact(feats), (self.channels,))
            return keys @ self.weight.to(keys.dtype), keys

    def _attentions(
        self,
        feats: Tensor,
        sample: Tensor,
        partner: Tensor,
        transposed: Tensor,
        generator: torch.Generator | None,
    ) -> Iterator[_Attention]:
        """Yield the attention of each sample over its partner's nodes."""
        if feats.ndim != 2 or feats.shape[1] != self.channels:
            raise InputError(f"features of shape {tuple(feats.shape)}; give (N, {self.channels})")
        normed = F.layer_norm(feats, (self.channels,))
        weight = self.weight.to(feats.dtype) / self.temperature
        rows = rows_by_sample(sample, len(partner))
        if len(rows) > len(partner):
            raise InputError(f"sample {len(rows) - 1} has no partner: {len(partner)} given; give one each")
        for own, source, flip in zip(rows, partner.tolist(), transposed.tolist(), strict=True):
            if not 0 <= source < len(rows):
                raise InputError(f"partner {source}: there are samples 0 to {len(rows) - 1}; give one of them")
            nodes = draw_nodes(rows[source], self.max_nodes, generator)
            yield _Attention(own, nodes, normed[own] @ (weight.T if flip else weight), normed[nodes])
