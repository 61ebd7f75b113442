"""Activation checkpointing (Chen et al., arXiv 1604.06174): less memory in training, for a second forward pass."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pcseg.nn.norm import frozen_statistics, running_statistics
from pcseg.sparse import SparseTensor


class Blocks(nn.Sequential):
    """Blocks from SparseTensor to SparseTensor, run in sequence; with ``recompute`` each is checkpointed on its own."""

    def forward(self, x: SparseTensor, recompute: bool = False) -> SparseTensor:
        for block in self:
            x = recomputed(block, x) if recompute else block(x)
        return x


def run(part: nn.Module, x: SparseTensor, recompute: bool) -> SparseTensor:
    """Return ``part(x)``; with ``recompute`` and where gradients are enabled, with activation checkpointing.

    Blocks are checkpointed one by one, any other module as a whole. In a network, ``recompute`` is the attribute
    ``activation_checkpointing``::

        x = run(self.down, x, self.activation_checkpointing)
    """
    out: SparseTensor
    if not recompute or not torch.is_grad_enabled():
        out = part(x)
    else:
        out = part(x, True) if isinstance(part, Blocks) else recomputed(part, x)
    return out


@torch.compiler.disable  # dynamo (torch 2.13) does not support context_fn: under torch.compile these blocks run eagerly
def recomputed(block: nn.Module, x: SparseTensor) -> SparseTensor:
    """Return ``block(x)`` and keep only the features of ``x``: the backward pass computes the activations again.

    Outputs and gradients have the same bits as those of ``block(x)``. The second pass does not update the running
    statistics of batch norms.
    """
    # The closure holds no reference to x, which would keep its features beside the saved ones.
    coords, stride, maps = x.coords, x.stride, x.maps

    def forward(feats: Tensor) -> SparseTensor:
        out: SparseTensor = block(SparseTensor(feats, coords, stride, maps))
        return out

    def contexts() -> tuple[AbstractContextManager[None], _StatisticsOfFirstPass]:
        return nullcontext(), _StatisticsOfFirstPass(block)

    out: SparseTensor = checkpoint(forward, x.feats, use_reentrant=False, context_fn=contexts)
    return out


class _StatisticsOfFirstPass:
    """Context in which running statistics of ``block`` are those of its creation, and updates of them are discarded.

    It is entered once for each backward pass over a retained graph.
    """

    def __init__(self, block: nn.Module) -> None:
        self.block = block
        self.values = [value.clone() for *_, value in running_statistics(block)]

    def __enter__(self) -> None:
        self.frozen = frozen_statistics(self.block)
        self.frozen.__enter__()
        for (*_, value), first in zip(running_statistics(self.block), self.values, strict=True):
            value.copy_(first)

    def __exit__(self, *error: Any) -> None:
        self.frozen.__exit__(*error)
