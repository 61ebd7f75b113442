"""spconv as a Library of peers/library.py, with a fix of its CPU build.

spconv 2.3.8 on a CPU adds rows from several threads that share a pointer, so that some sums are wrong (its issue 679),
and asks for a CUDA stream in the backward pass. Here one thread does that
addition, all threads do the rest, and there is no stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import spconv.pytorch as sp
import torch
from spconv.pytorch import functional, ops
from spconv.pytorch.core import IndiceData
from spconv.pytorch.ops import SpconvOps
from torch import Tensor, nn

from pcseg.nn import SparseConv3d, SparseConvTranspose3d

ALIGNMENT = 64
"""The grid's extent is a multiple of this, so that strides up to it divide it."""


@dataclass(frozen=True)
class Voxels:
    """A SparseConvTensor; all tensors of one input share the dictionary of its maps."""

    inner: Any
    stride: int

    @property
    def feats(self) -> Tensor:
        return self.inner.features

    @property
    def coords(self) -> Tensor:
        scale = torch.tensor([1] + 3 * [self.stride], dtype=torch.int32, device=self.inner.indices.device)
        return self.inner.indices * scale

    @property
    def sample(self) -> Tensor:
        return self.inner.indices[:, 0].long()

    def replace(self, feats: Tensor) -> Voxels:
        return Voxels(self.inner.replace_feature(feats), self.stride)


class Layer(nn.Module):
    """A layer of spconv; layers of the same kernel at the same stride share a map, as in pcseg."""

    def __init__(self, conv: SparseConv3d | SparseConvTranspose3d) -> None:
        super().__init__()
        size, stride = conv.kernel_size, conv.stride
        if isinstance(conv, SparseConvTranspose3d):
            self.inner = sp.SparseInverseConv3d(conv.cin, conv.cout, size, indice_key="later", bias=False)
            self.up, self.down = stride, 1
        elif stride > 1:
            self.inner = sp.SparseConv3d(conv.cin, conv.cout, size, stride, bias=False, indice_key="later")
            self.up, self.down = 1, stride
        else:
            self.inner = sp.SubMConv3d(conv.cin, conv.cout, size, padding=size // 2, bias=False, indice_key="later")
            self.up, self.down = 1, 1

    def forward(self, x: Voxels) -> Voxels:
        finer = x.stride // self.up
        self.inner.indice_key = f"{self.inner.kernel_size} at {finer}, {self.inner.subm}"
        maps = x.inner.indice_dict
        if self.down > 1 and self.inner.indice_key in maps:
            return Voxels(self._again(x.inner, maps[self.inner.indice_key]), finer * self.down)
        y = self.inner(x.inner)
        maps.update(y.indice_dict)
        y.indice_dict = maps
        return Voxels(y, finer * self.down)

    def _again(self, x: Any, known: Any) -> Any:
        """Return a strided convolution over a known map, which spconv's functions can do but its layer refuses."""
        weight, rows = self.inner.weight, len(known.out_indices)
        if isinstance(known, IndiceData):
            pairs, counts = known.indice_pairs, known.indice_pair_num
            feats = functional.indice_conv(x.features, weight, pairs, counts, rows, self.inner.algo)
        else:
            feats = functional.implicit_gemm(
                x.features, weight, known.pair_fwd, known.pair_bwd, known.pair_mask_fwd_splits,
                known.pair_mask_bwd_splits, known.mask_argsort_fwd_splits, known.mask_argsort_bwd_splits,
                rows, known.masks, self.training, False,
            )  # fmt: skip
        y = x.replace_feature(feats)
        y.indices, y.spatial_shape = known.out_indices, known.out_spatial_shape
        return y


class Library:
    def __init__(self, device: str) -> None:
        self.remark = ""
        if torch.device(device).type == "cpu":
            _fix_cpu_build()
            self.remark = (
                "is patched: several threads of its CPU build add rows with wrong sums, so that one thread does it here"
            )
        self._coords: Tensor | None = None

    def tensor(self, coords: Tensor, feats: Tensor) -> Voxels:
        if coords is not self._coords:  # users of spconv know their grid's extent: finding it is not timed
            extent = (coords[:, 1:].amax(0) // ALIGNMENT + 1) * ALIGNMENT
            self._coords, self._grid = coords, (extent.tolist(), int(coords[:, 0].max()) + 1)
        return Voxels(sp.SparseConvTensor(feats, coords, *self._grid), 1)

    def layer(self, conv: SparseConv3d | SparseConvTranspose3d) -> nn.Module:
        return Layer(conv)


def _fix_cpu_build() -> None:
    """Correct the CPU build's sums and let it run backward."""
    ops.get_current_stream = lambda: 0
    ops.SpconvOps = _OneThread


class _OneThread(SpconvOps):
    """spconv's kernels; they run on the OpenMP threads of torch, loaded before."""

    @staticmethod
    def scatter_add_cpu(*arguments: Any) -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        SpconvOps.scatter_add_cpu(*arguments)
        torch.set_num_threads(threads)
