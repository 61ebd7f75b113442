"""Sparse convolutions: one weight matrix per kernel offset; the kernel map comes from the input's cache."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pcseg import ops
from pcseg.errors import InputError
from pcseg.sparse import KernelMap, SparseTensor
from pcseg.sparse.sizes import check_sizes


class SparseConv(nn.Module):
    """Base of the convolutions: ``weight`` (K, cin, cout), K = kernel_size ** 3, and ``bias`` (cout,) or None.

    The K offsets are in the order of :func:`pcseg.sparse.kernel_offsets`. Raises InputError for sizes below 1.
    """

    def __init__(self, cin: int, cout: int, kernel_size: int, stride: int, dilation: int, bias: bool) -> None:
        super().__init__()
        check_sizes(type(self).__name__, cin=cin, cout=cout, kernel_size=kernel_size, stride=stride, dilation=dilation)
        self.cin, self.cout = cin, cout
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
        self.weight = nn.Parameter(torch.empty(kernel_size**3, cin, cout))
        self.bias = nn.Parameter(torch.zeros(cout)) if bias else None

    def initialize(self, fan_in: float) -> None:
        """Draw the weight for rectifiers (He et al., arXiv 1502.01852, eq. 10) from the global generator."""
        nn.init.normal_(self.weight, std=math.sqrt(2 / fan_in))

    def maps(self, x: SparseTensor) -> tuple[int, KernelMap, KernelMap | None]:
        """Return the stride of the output, the map to it, and its transpose or, where x needs no gradient, None."""
        raise NotImplementedError

    def forward(self, x: SparseTensor) -> SparseTensor:
        self._check(x)
        stride, to, back = self.maps(x)
        t_pairs, t_starts = (None, None) if back is None else (back.pairs, back.starts)
        out = ops.sparse_conv(x.feats, self.weight, to.pairs, to.starts, to.n_out, t_pairs, t_starts)
        return x.at(stride, out if self.bias is None else out + self.bias.to(out.dtype))

    def norm_relu(self, x: SparseTensor, scale: Tensor, shift: Tensor, residual: Tensor | None) -> SparseTensor:
        """Return relu(scale * self(x) + shift + residual), no gradient (:func:`pcseg.ops.sparse_conv_norm_relu`)."""
        self._check(x)
        stride, to, _ = self.maps(x)
        shift = shift if self.bias is None else shift + scale * self.bias
        arguments = (x.feats, self.weight, to.pairs, to.starts, to.n_out, scale, shift, residual)
        return x.at(stride, ops.sparse_conv_norm_relu(*arguments))

    def _check(self, x: SparseTensor) -> None:
        if x.feats.shape[1] != self.cin:
            raise InputError(f"features have {x.feats.shape[1]} channels; give {self.cin}, those of this convolution")

    def extra_repr(self) -> str:
        return (
            f"{self.cin}, {self.cout}, kernel_size={self.kernel_size}, stride={self.stride}, dilation={self.dilation}"
        )


class SparseConv3d(SparseConv):
    """Convolution of a SparseTensor: out[m] = sum over k of in[m + offset k] @ weight[k] + bias; absent voxels are 0.

    ``stride`` 1 keeps the voxels (submanifold convolution); a larger stride moves to the coarser voxels of the input's
    cache. Features (N, cin) become (M, cout). Raises InputError for other channels.
    """

    def __init__(
        self, cin: int, cout: int, kernel_size: int, stride: int = 1, dilation: int = 1, bias: bool = False
    ) -> None:
        super().__init__(cin, cout, kernel_size, stride, dilation, bias)
        self.initialize(fan_in=cin * kernel_size**3)

    def maps(self, x: SparseTensor) -> tuple[int, KernelMap, KernelMap | None]:
        out_stride = x.stride * self.stride
        kernel_map = x.maps.kernel_map(x.stride, out_stride, self.kernel_size, self.dilation)
        tracked = torch.is_grad_enabled() and x.feats.requires_grad
        return out_stride, kernel_map, kernel_map.transposed if tracked else None


class SparseConvTranspose3d(SparseConv):
    """The transpose of a SparseConv3d of the same kernel and stride: back to the finer voxels of the input's cache.

    Features (M, cin) at stride s become (N, cout) at s / ``stride``: voxel n is the sum of in[m] @ weight[k] over all m
    with n = m + offset k. It creates no voxels. Raises InputError where the input has no voxels of that stride.
    """

    def __init__(self, cin: int, cout: int, kernel_size: int, stride: int, bias: bool = False) -> None:
        super().__init__(cin, cout, kernel_size, stride, 1, bias)
        self.initialize(fan_in=cin * max(kernel_size / stride, 1) ** 3)  # number of terms of one fine voxel

    def maps(self, x: SparseTensor) -> tuple[int, KernelMap, KernelMap | None]:
        if x.stride % self.stride:
            raise InputError(f"stride={self.stride}: does not divide {x.stride}, that of the features; give a divisor")
        fine = x.stride // self.stride
        opposite = x.maps.kernel_map(fine, x.stride, self.kernel_size)
        return fine, opposite.transposed, opposite
