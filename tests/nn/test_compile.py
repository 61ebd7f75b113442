"""Layers under torch.compile with its own code generator, over clouds of several sizes."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn

from pcseg.nn import ConvNormReLU, SparseConv3d, SparseConvTranspose3d
from pcseg.sparse import SparseTensor
from tests.sparse.clouds import random_coords


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on the CPU")
def test_compiled_layers_follow_changing_sizes() -> None:
    """From the second size on, sizes are symbols, all of which must be inputs of the generated code."""
    torch.manual_seed(0)
    down = ConvNormReLU(SparseConv3d(2, 3, 2, stride=2), 3, "batch")
    up = ConvNormReLU(SparseConvTranspose3d(3, 2, 2, stride=2), 2, "batch")
    layers = nn.Sequential(down, up).double().eval()
    compiled = torch.compile(layers, fullgraph=False)
    for seed, count in ((0, 80), (1, 60)):
        coords = random_coords(seed, count)
        feats = torch.randn(len(coords), 2, dtype=torch.float64)
        with torch.no_grad():
            expected = layers(SparseTensor(feats, coords)).feats
            torch.testing.assert_close(compiled(SparseTensor(feats, coords)).feats, expected)
