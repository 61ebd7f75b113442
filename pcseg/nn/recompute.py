"""Activation checkpointing (Chen et al., arXiv 1604.06174): less memory in training, for a second forward pass."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pcseg.nn.norm import frozen_statistics
from pcseg.sparse import SparseTensor


@torch.compiler.disable  # dynamo (torch 2.13) takes no context_fn: compiled networks run these blocks as they are
def recomputed(block: nn.Module, x: SparseTensor) -> SparseTensor:
    """``block(x)``, of which only the features of ``x`` are kept: the backward pass computes the rest once more.

    Outputs, gradients and the running statistics of batch norms, which the second pass leaves alone, are the same bits.
    """
    coords, stride, maps = (
        x.coords,
        x.stride,
        x.maps,
    )  # not x, which would hold its features beside those that are saved

    def forward(feats: Tensor) -> SparseTensor:
        out: SparseTensor = block(SparseTensor(feats, coords, stride, maps))
        return out

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), frozen_statistics(block)

    out: SparseTensor = checkpoint(forward, x.feats, use_reentrant=False, context_fn=contexts)
    return out
