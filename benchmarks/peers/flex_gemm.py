"""FlexGEMM as a Library of peers/library.py; on a GPU only. It has no transposed layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from flex_gemm.kernels.triton.spconv import config
from flex_gemm.ops import spconv
from torch import Tensor, nn

from pcseg.nn import SparseConv3d, SparseConvTranspose3d

ALIGNMENT = 64
"""The grid's extent is a multiple of this, so that strides up to it divide it."""


@dataclass(frozen=True)
class Voxels:
    """Features, voxels in units of ``stride``, the extent of the finest grid, and the maps of one input by layer."""

    feats: Tensor
    grid: Tensor
    stride: int
    extent: tuple[int, int, int]
    maps: dict[tuple[int, int, int], tuple[Any, Tensor]]

    @property
    def coords(self) -> Tensor:
        return self.grid * torch.tensor([1] + 3 * [self.stride], dtype=torch.int32, device=self.grid.device)

    @property
    def sample(self) -> Tensor:
        return self.grid[:, 0].long()

    def replace(self, feats: Tensor) -> Voxels:
        return Voxels(feats, self.grid, self.stride, self.extent, self.maps)


class Layer(nn.Module):
    def __init__(self, conv: SparseConv3d) -> None:
        super().__init__()
        self.size, self.step = conv.kernel_size, conv.stride
        self.weight = nn.Parameter(torch.empty(conv.cout, self.size, self.size, self.size, conv.cin))
        self.register_buffer("bias", torch.zeros(conv.cout))  # its backward pass fails without one

    def forward(self, x: Voxels) -> Voxels:
        shape = torch.Size([1, x.feats.shape[1], *(extent // x.stride for extent in x.extent)])
        key = (x.stride, self.size, self.step)
        known, grid = x.maps.get(key, (None, None))
        if self.step == 1:
            feats, made = spconv.sparse_submanifold_conv3d(x.feats, x.grid, shape, self.weight, self.bias, known)
            grid = x.grid
        else:
            feats, grid, made = spconv.sparse_conv3d(
                x.feats, x.grid, shape, self.weight, self.bias, known, grid, stride=(self.step,) * 3
            )
        x.maps[key] = (made, grid)
        return Voxels(feats, grid, x.stride * self.step, x.extent, x.maps)


class Library:
    remark = ""

    def __init__(self, device: str) -> None:
        config.allow_tf32 = False  # as torch, pcseg and spconv multiply float32
        self._coords: Tensor | None = None

    def tensor(self, coords: Tensor, feats: Tensor) -> Voxels:
        if coords is not self._coords:
            x, y, z = ((coords[:, 1:].amax(0) // ALIGNMENT + 1) * ALIGNMENT).tolist()
            self._coords, self._extent = coords, (x, y, z)
        return Voxels(feats, coords, 1, self._extent, {})

    def layer(self, conv: SparseConv3d | SparseConvTranspose3d) -> nn.Module:
        if isinstance(conv, SparseConvTranspose3d):
            raise NotImplementedError("flex_gemm has no transposed convolution")
        return Layer(conv)
