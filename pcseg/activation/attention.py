"""Class activation refined by self-attention: elements that look alike share what they show."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.nn import make_norm
from pcseg.nn.attend import attend, draw_nodes, rows_by_sample
from pcseg.sparse.sizes import check_sizes


class ActivationAttention(nn.Module):
    """Self-attention Grad-CAM (PseudoSeg, arXiv 2010.09713, Eq. 1): scores (N, K) of elements from activation (N, T).

    A' = softmax(q k^T / sqrt(``width``)) A + A within each sample, q and k being linear maps of ``channels`` further
    features of the elements; then a linear map and a batch norm of A' and of 2 - max_t A', the activation of nothing.
    ``objects``: the T classes, of ``n_classes``, that have an activation. The linear map begins (here, not there) with
    their activations as their scores, and with that of nothing as the score of all others.

    ``max_nodes`` limits the elements that a sample offers as keys to a random subset, drawn from the global generator;
    every element is a query. Memory grows with N, time with N ``max_nodes``. Raises InputError for sizes below 1.
    """

    def __init__(
        self, channels: int, n_classes: int, objects: Sequence[int], width: int = 128, max_nodes: int = 4096
    ) -> None:
        super().__init__()
        sizes = {"channels": channels, "n_classes": n_classes, "objects": len(objects)}
        check_sizes("ActivationAttention", **sizes, width=width, max_nodes=max_nodes)
        self.max_nodes = max_nodes
        self.query, self.key = (nn.Linear(channels, width, bias=False) for _ in range(2))
        self.score = nn.Linear(1 + len(objects), n_classes, bias=False)
        self.norm = make_norm("batch", n_classes)
        source = torch.zeros(n_classes, dtype=torch.int64)
        source[list(objects)] = torch.arange(1, 1 + len(objects))
        with torch.no_grad():
            self.score.weight.copy_(F.one_hot(source, 1 + len(objects)))

    def forward(self, activation: Tensor, feats: Tensor, sample: Tensor) -> Tensor:
        """Return scores (N, K); ``activation`` (N, T) in [0, 1], ``feats`` (N, channels), ``sample`` (N,) int64.

        Computed in float32, also under autocast.
        """
        with torch.autocast(feats.device.type, enabled=False):
            refined = self.refine(activation.float(), feats.float(), sample)
            nothing = 2 - refined.amax(dim=1, keepdim=True)
            scores: Tensor = self.norm(self.score(torch.cat([nothing, refined], dim=1)))
        return scores

    def refine(self, activation: Tensor, feats: Tensor, sample: Tensor) -> Tensor:
        """Return A' (N, T) in [0, 2]."""
        query, key = self.query(feats), self.key(feats)
        rows = rows_by_sample(sample)
        parts = [activation[:0]]
        for own in rows:
            near = draw_nodes(own, self.max_nodes)
            parts.append(attend(query[own], key[near], activation[near], 1 / math.sqrt(query.shape[1])))
        return activation + torch.cat(parts)[torch.cat([sample[:0], *rows]).argsort()]
