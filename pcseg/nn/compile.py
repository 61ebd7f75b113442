"""Geometry before the graph of torch.compile: kernel maps depend on data, and computing one would end the graph."""

from __future__ import annotations

import torch
from torch import nn

from pcseg.nn.conv import SparseConv
from pcseg.nn.pool import SparsePool
from pcseg.sparse import SparseTensor


@torch.compiler.disable
def make_maps(x: SparseTensor, *parts: nn.Module) -> None:
    """Compute the kernel maps that ``parts``, applied to ``x`` one after the other, will need; ``x.maps`` caches them.

    Convolutions and pools within a part must be registered in the order in which they run; branches that change the
    stride in parallel need one call each. Call it at the beginning of a network's ``forward``::

        if torch.compiler.is_compiling():
            make_maps(inputs, self.stem, self.down, self.up)
    """
    for part in parts:
        for layer in part.modules():
            if isinstance(layer, (SparseConv, SparsePool)):
                stride = layer.maps(x)[0]
                # Without channels: only the number of voxels and whether a gradient is needed decide the maps.
                feats = x.feats.new_empty(len(x.maps.coords(stride)), 0, requires_grad=torch.is_grad_enabled())
                x = x.at(stride, feats)
