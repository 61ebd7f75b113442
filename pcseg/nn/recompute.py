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
    """Blocks from SparseTensor to SparseTensor, one after the other, each recomputed in the backward pass if asked."""

    def forward(self, x: SparseTensor, recompute: bool = False) -> SparseTensor:
        for block in self:
            x = recomputed(block, x) if recompute else block(x)
        return x


@torch.compiler.disable  # dynamo (torch 2.13) takes no context_fn: compiled networks run these blocks as they are
def recomputed(block: nn.Module, x: SparseTensor) -> SparseTensor:
    """``block(x)``, of which only the features of ``x`` are kept: the backward pass computes the rest once more.

    Outputs, gradients and the running statistics of batch norms, which the second pass leaves alone, are the same bits.
    """
    # Not x itself, which would hold its features beside those that are saved.
    coords, stride, maps = x.coords, x.stride, x.maps

    def forward(feats: Tensor) -> SparseTensor:
        out: SparseTensor = block(SparseTensor(feats, coords, stride, maps))
        return out

    def contexts() -> tuple[AbstractContextManager[None], _AsNow]:
        return nullcontext(), _AsNow(block)

    out: SparseTensor = checkpoint(forward, x.feats, use_reentrant=False, context_fn=contexts)
    return out


class _AsNow:
    """Within, the running statistics of ``block`` are what they are now, and what is written to them is thrown away.

    Each backward pass over a graph that is retained enters it once more.
    """

    def __init__(self, block: nn.Module) -> None:
        self.block = block
        self.values = [value.clone() for *_, value in running_statistics(block)]

    def __enter__(self) -> None:
        self.frozen = frozen_statistics(self.block)
        self.frozen.__enter__()
        for (*_, value), now in zip(running_statistics(self.block), self.values, strict=True):
            value.copy_(now)

    def __exit__(self, *error: Any) -> None:
        self.frozen.__exit__(*error)
