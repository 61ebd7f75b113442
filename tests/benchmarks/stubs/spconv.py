"""A stand-in for spconv that computes with pcseg; it has only what benchmarks/peers/spconv.py uses.

Its results are SPCONV_STUB_FACTOR times the correct ones; "none" makes it raise an error. The order of coarse voxels
differs from pcseg's.
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from pcseg import ops as ours
from pcseg.sparse import KernelMap, MapCache

pytorch = functional = core = ops = sys.modules[__name__]
for name in ("pytorch", "pytorch.functional", "pytorch.core", "pytorch.ops"):
    sys.modules[f"spconv.{name}"] = pytorch


class SpconvOps:
    @staticmethod
    def scatter_add_cpu() -> None: ...


class IndiceData(SimpleNamespace):
    """``out_indices``, and the rest of its fields the stub's own."""


class SparseConvTensor:
    def __init__(self, features: Tensor, indices: Tensor, spatial_shape: list[int], batch_size: int) -> None:
        self.features, self.indices, self.spatial_shape, self.batch_size = features, indices, spatial_shape, batch_size
        self.indice_dict: dict[str, IndiceData] = {}

    def replace_feature(self, features: Tensor) -> SparseConvTensor:
        new = SparseConvTensor(features, self.indices, self.spatial_shape, self.batch_size)
        new.indice_dict = self.indice_dict
        return new


class _Conv(nn.Module):
    subm = False

    def __init__(
        self, cin: int, cout: int, size: int, stride: int = 1, padding: int = 0, bias: bool = True, indice_key: str = ""
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(cout, size, size, size, cin))
        self.kernel_size, self.stride, self.indice_key, self.algo = [size] * 3, stride, indice_key, None


def _convolve(feats: Tensor, weight: Tensor, over: KernelMap) -> Tensor:
    by_offset = weight.permute(3, 2, 1, 4, 0).flatten(0, 2)  # x runs fastest in ours, z in spconv's
    back = over.transposed
    out = ours.sparse_conv(feats, by_offset, over.pairs, over.starts, over.n_out, back.pairs, back.starts)
    return out * float(os.environ.get("SPCONV_STUB_FACTOR", "1"))


class SubMConv3d(_Conv):
    subm = True

    def forward(self, x: SparseConvTensor) -> SparseConvTensor:
        over = MapCache(x.indices).kernel_map(1, 1, self.kernel_size[0])
        return x.replace_feature(_convolve(x.features, self.weight, over))


class SparseConv3d(_Conv):
    def forward(self, x: SparseConvTensor) -> SparseConvTensor:
        assert self.indice_key not in x.indice_dict, "only support reuse subm indices"
        cache, shape = MapCache(x.indices), [extent // self.stride for extent in x.spatial_shape]
        scale = torch.tensor([1] + 3 * [self.stride], dtype=torch.int32)
        known = IndiceData(
            out_indices=(cache.coords(self.stride) // scale).flip(0), out_spatial_shape=shape, indice_pair_num=None,
            indice_pairs=cache.kernel_map(1, self.stride, self.kernel_size[0]), finer=(x.indices, x.spatial_shape),
        )  # fmt: skip
        y = x.replace_feature(indice_conv(x.features, self.weight, known.indice_pairs, None, 0, None))
        y.indices, y.spatial_shape, y.indice_dict = known.out_indices, shape, {**x.indice_dict, self.indice_key: known}
        return y


class SparseInverseConv3d(_Conv):
    def forward(self, x: SparseConvTensor) -> SparseConvTensor:
        known = x.indice_dict[self.indice_key]
        y = x.replace_feature(_convolve(x.features.flip(0), self.weight, known.indice_pairs.transposed))
        y.indices, y.spatial_shape = known.finer
        return y


def indice_conv(feats: Tensor, weight: Tensor, pairs: KernelMap, counts: object, rows: int, algo: object) -> Tensor:
    return _convolve(feats, weight, pairs).flip(0)
