"""MinkowskiEngine 0.5 as a Library of peers/library.py."""

from __future__ import annotations

import collections
import collections.abc
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pcseg.nn import SparseConv3d, SparseConvTranspose3d

collections.Sequence = collections.abc.Sequence  # type: ignore[attr-defined]  # where 0.5.4 looks for it
import MinkowskiEngine as ME  # noqa: E402


@dataclass(frozen=True)
class Voxels:
    """A MinkowskiEngine.SparseTensor; its coordinate manager holds the maps."""

    inner: Any

    @property
    def stride(self) -> int:
        return int(self.inner.tensor_stride[0])

    @property
    def feats(self) -> Tensor:
        return self.inner.F

    @property
    def coords(self) -> Tensor:
        return self.inner.C

    @property
    def sample(self) -> Tensor:
        return self.inner.C[:, 0].long()

    def replace(self, feats: Tensor) -> Voxels:
        key, manager = self.inner.coordinate_map_key, self.inner.coordinate_manager
        return Voxels(ME.SparseTensor(feats, coordinate_map_key=key, coordinate_manager=manager))


class Layer(nn.Module):
    def __init__(self, conv: SparseConv3d | SparseConvTranspose3d) -> None:
        super().__init__()
        up = isinstance(conv, SparseConvTranspose3d)
        kind = ME.MinkowskiConvolutionTranspose if up else ME.MinkowskiConvolution
        self.inner = kind(conv.cin, conv.cout, kernel_size=conv.kernel_size, stride=conv.stride, dimension=3)

    def forward(self, x: Voxels) -> Voxels:
        return Voxels(self.inner(x.inner))


class Library:
    remark = ""

    def __init__(self, device: str) -> None:
        pass

    def tensor(self, coords: Tensor, feats: Tensor) -> Voxels:
        return Voxels(ME.SparseTensor(feats, coords))

    def layer(self, conv: SparseConv3d | SparseConvTranspose3d) -> nn.Module:
        return Layer(conv)
