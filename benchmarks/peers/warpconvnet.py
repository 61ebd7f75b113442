"""WarpConvNet 1.8 as a Library of peers/library.py; on a GPU only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import warpconvnet.geometry.types.voxels as geometry
from torch import Tensor, nn
from warpconvnet.nn.modules.sparse_conv import SparseConv3d as Convolution

from pcseg.nn import SparseConv3d, SparseConvTranspose3d


@dataclass(frozen=True)
class Voxels:
    """WarpConvNet's Voxels at ``stride``; ``levels`` holds those of the same input by stride, for transposed layers."""

    inner: Any
    stride: int
    levels: dict[int, Any]

    @property
    def feats(self) -> Tensor:
        return self.inner.feature_tensor

    @property
    def coords(self) -> Tensor:
        found = self.inner.batch_indexed_coordinates
        return found * torch.tensor([1] + 3 * [self.stride], dtype=found.dtype, device=found.device)

    @property
    def sample(self) -> Tensor:
        return self.inner.batch_indexed_coordinates[:, 0].long()

    def replace(self, feats: Tensor) -> Voxels:
        return Voxels(self.inner.replace(batched_features=feats), self.stride, self.levels)


class Layer(nn.Module):
    def __init__(self, conv: SparseConv3d | SparseConvTranspose3d) -> None:
        super().__init__()
        self.up = isinstance(conv, SparseConvTranspose3d)
        self.step = conv.stride
        self.inner = Convolution(conv.cin, conv.cout, conv.kernel_size, conv.stride, bias=False, transposed=self.up)

    def forward(self, x: Voxels) -> Voxels:
        if self.up:
            stride = x.stride // self.step
            return Voxels(self.inner(x.inner, x.levels[stride]), stride, x.levels)
        y = self.inner(x.inner)
        stride = x.stride * self.step
        x.levels.setdefault(stride, y)
        return Voxels(y, stride, x.levels)


class Library:
    remark = (
        "finds the coarse voxels of a strided layer on each pass, also where the map is kept, "
        "and may multiply float32 in TF32 or float16, which no setting turns off"
    )

    def __init__(self, device: str) -> None:
        self._coords: Tensor | None = None

    def tensor(self, coords: Tensor, feats: Tensor) -> Voxels:
        if coords is not self._coords:  # users of WarpConvNet have the sizes of their samples on the CPU
            ends = torch.bincount(coords[:, 0].long().cpu()).cumsum(0)
            self._coords, self._ends = coords, nn.functional.pad(ends, (1, 0))
        inner = geometry.Voxels(coords[:, 1:].contiguous(), feats, self._ends)
        return Voxels(inner, 1, {1: inner})

    def layer(self, conv: SparseConv3d | SparseConvTranspose3d) -> nn.Module:
        return Layer(conv)
