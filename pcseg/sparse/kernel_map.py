"""Kernel maps: the pairs of input and output voxels of each kernel weight, and the offsets that define them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pcseg import ops
from pcseg.sparse.sizes import check_sizes


def kernel_offsets(kernel_size: int, stride: int = 1, dilation: int = 1) -> Tensor:
    """Return offsets (K, 3) int32 of a cubic kernel, K = kernel_size ** 3, in finest voxels.

    ``stride`` is the stride of the finer tensor. Order and centering are MinkowskiEngine's (``src/kernel_region.hpp``),
    so that its weights can be used unchanged: the first axis runs fastest, odd kernels are centered, even kernels reach
    from 0 to kernel_size - 1. Raises InputError for sizes below 1.
    """
    check_sizes("kernel", kernel_size=kernel_size, stride=stride, dilation=dilation)
    first = -(kernel_size // 2) if kernel_size % 2 else 0
    steps = torch.arange(first, first + kernel_size, dtype=torch.int32)
    z, y, x = torch.meshgrid(steps, steps, steps, indexing="ij")
    return torch.stack([x, y, z], dim=-1).reshape(-1, 3) * (stride * dilation)


@dataclass(frozen=True)
class KernelMap:
    """All pairs of a sparse convolution, grouped by kernel weight: the input of ``pcseg.ops.sparse_conv``.

    ``pairs`` (2, Q) int32, rows (input, output); ``starts`` (K + 1,) int64 on the CPU: pairs ``starts[k]`` to
    ``starts[k + 1]`` belong to weight k, output rows ascending. ``mirrored``: input and output coordinates are the same
    and offset k is minus offset K - 1 - k (stride 1, odd kernel).
    """

    pairs: Tensor
    starts: Tensor
    n_in: int
    n_out: int
    mirrored: bool = False

    @cached_property
    def transposed(self) -> KernelMap:
        """The map from outputs to inputs under the same weights; computed once, in linear time.

        Its own ``transposed`` is a new map, not this one: a link back would be a reference cycle.
        """
        pairs = ops.transposed_map(self.pairs, self.starts, self.n_in, self.n_out, self.mirrored)
        return KernelMap(pairs, self.starts, self.n_out, self.n_in, self.mirrored)
