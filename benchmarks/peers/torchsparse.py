"""torchsparse 2.1 as a Library of peers/library.py; on a GPU only, where it builds its maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torchsparse
from torch import Tensor, nn
from torchsparse.nn import functional

from pcseg.nn import SparseConv3d, SparseConvTranspose3d

ALIGNMENT = 64
"""The grid's extent is a multiple of this; torchsparse drops coarse voxels beyond the halved, rounded-down extent."""


@dataclass(frozen=True)
class Voxels:
    """A torchsparse.SparseTensor; tensors made from it share its cache of maps."""

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
        config = functional.conv_config.get_default_conv_config().copy()
        if conv.kernel_size**3 > 32:  # its implicit GEMM keeps the offsets in the bits of one number
            config.dataflow = functional.Dataflow.GatherScatter
        up = isinstance(conv, SparseConvTranspose3d)
        self.inner = torchsparse.nn.Conv3d(
            conv.cin, conv.cout, conv.kernel_size, conv.stride, transposed=up, config=config
        )

    def forward(self, x: Voxels) -> Voxels:
        return Voxels(self.inner(x.inner))


class Library:
    remark = "keeps no map of a transposed layer: it transposes the map of the strided layer on each pass"

    def __init__(self, device: str) -> None:
        torchsparse.backends.allow_tf32 = False  # as torch, pcseg and spconv multiply float32
        self._coords: Tensor | None = None

    def tensor(self, coords: Tensor, feats: Tensor) -> Voxels:
        if coords is not self._coords:  # users of torchsparse know the extent of their grid
            x, y, z = ((coords[:, 1:].amax(0) // ALIGNMENT + 1) * ALIGNMENT).tolist()
            self._coords, self._range = coords, (int(coords[:, 0].max()) + 1, x, y, z)
        inner = torchsparse.SparseTensor(feats, coords, spatial_range=self._range)
        inner._caches.cmaps[inner.stride] = coords, inner.spatial_range  # the output voxels of a transposed layer
        return Voxels(inner)

    def layer(self, conv: SparseConv3d | SparseConvTranspose3d) -> nn.Module:
        return Layer(conv)
