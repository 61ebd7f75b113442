"""torchsparse 2.1 behind the face of _peers.py; on a GPU only, where its maps are built."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
import torchsparse
from torch import Tensor, nn
from torchsparse.nn import functional

from pcseg.nn import SparseConv3d, SparseConvTranspose3d


@dataclass(frozen=True)
class Voxels:
    """A torchsparse.SparseTensor; what derives from it shares its cache of maps."""

    inner: Any

    @property
    def stride(self) -> int:
        return int(self.inner.stride[0])

    @property
    def feats(self) -> Tensor:
        return self.inner.feats

    @property
    def coords(self) -> Tensor:
        scale = torch.tensor([1] + 3 * [self.stride], dtype=torch.int32, device=self.inner.coords.device)
        return self.inner.coords * scale

    @property
    def sample(self) -> Tensor:
        return self.inner.coords[:, 0].long()

    def replace(self, feats: Tensor) -> Voxels:
        inner = torchsparse.SparseTensor(feats, self.inner.coords, self.inner.stride, self.inner.spatial_range)
        inner._caches = self.inner._caches
        return Voxels(inner)


class Layer(nn.Module):
    def __init__(self, conv: SparseConv3d | SparseConvTranspose3d) -> None:
        super().__init__()
        config = copy.copy(functional.conv_config.get_default_conv_config())
        if conv.kernel_size**3 > 32:  # its implicit GEMM keeps the offsets in the bits of one number
            config.dataflow = functional.Dataflow.GatherScatter
        up = isinstance(conv, SparseConvTranspose3d)
        self.inner = torchsparse.nn.Conv3d(
            conv.cin, conv.cout, conv.kernel_size, conv.stride, transposed=up, config=config
        )

    def forward(self, x: Voxels) -> Voxels:
        return Voxels(self.inner(x.inner))


class Library:
    def __init__(self, device: str) -> None:
        pass

    def tensor(self, coords: Tensor, feats: Tensor) -> Voxels:
        return Voxels(torchsparse.SparseTensor(feats, coords))

    def layer(self, conv: SparseConv3d | SparseConvTranspose3d) -> nn.Module:
        return Layer(conv)
