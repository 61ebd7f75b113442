"""Tensors that the tests of this folder share."""

from __future__ import annotations

import torch

from pcseg import minkowski as ME
from tests.minkowski import oracle

DIMENSIONS = (1, 2, 3, 4)
COUNT = {1: 14, 2: 40, 3: 80, 4: 130}
SPAN = {1: 5, 2: 4, 3: 3, 4: 2}
"""Voxels drawn, and half the extent of each axis: dense enough for neighbors along every axis, at its ends too."""


def make(dimension: int, channels: int = 3, seed: int = 0, stride: int = 1) -> ME.SparseTensor:
    """A tensor of random features in float64 on random voxels of two samples, multiples of ``stride``."""
    return _tensor(dimension, COUNT[dimension], SPAN[dimension], channels, seed, stride)


def few(dimension: int, channels: int = 2, stride: int = 1) -> ME.SparseTensor:
    """The same of a dozen voxels, for gradients by differences."""
    return _tensor(dimension, 14, 4 if dimension == 1 else 2 if dimension == 2 else 1, channels, 0, stride)


def _tensor(dimension: int, count: int, span: int, channels: int, seed: int, stride: int) -> ME.SparseTensor:
    coords = oracle.cloud(dimension, count, span=span, seed=seed)
    coords[:, 1:] *= stride
    generator = torch.Generator().manual_seed(seed + 1)
    feats = torch.randn(len(coords), channels, generator=generator, dtype=torch.float64)
    return ME.SparseTensor(feats, coords, tensor_stride=stride)


def rows(x: ME.SparseTensor) -> oracle.Voxels:
    """The tensor as a dictionary."""
    return oracle.voxels(x.C, x.F.detach())


def keys(x: ME.SparseTensor) -> list[tuple[int, ...]]:
    """Its coordinates."""
    return list(map(tuple, x.C.tolist()))


def kernel_of(layer: torch.nn.Module, offsets: list[tuple[int, ...]]) -> list[tuple[tuple[int, ...], torch.Tensor]]:
    """The layer's weights with their offsets."""
    weight = layer.kernel.detach()
    weight = weight.unsqueeze(0) if weight.dim() == 2 else weight
    return list(zip(offsets, weight, strict=True))


def gradients_agree(layer: torch.nn.Module, x: ME.SparseTensor, *more: object) -> bool:
    """Compare the gradients in the features and all parameters with differences."""
    parameters = list(layer.parameters())

    def run(feats: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return layer(x.with_features(feats), *more).F

    feats = x.F.detach().clone().requires_grad_()
    return torch.autograd.gradcheck(run, (feats, *parameters))
