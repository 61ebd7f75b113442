"""The Function classes with their ``apply``, for code that calls them instead of the layers.

All are compositions of differentiable ops. A key that is given empty is set to that of the output, as there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor as TorchTensor

from pcseg import ops
from pcseg.minkowski.convolution import convolve, output_name
from pcseg.minkowski.coordinate_manager import CoordinateManager
from pcseg.minkowski.joining import prune, spread, united
from pcseg.minkowski.manager import Name
from pcseg.minkowski.norm import normalize_samples
from pcseg.minkowski.pooling import pool, pool_samples
from pcseg.minkowski.region import KernelGenerator
from pcseg.minkowski.types import BroadcastMode, CoordinateMapKey, PoolingMode

Key = CoordinateMapKey
Manager = CoordinateManager


def _output(manager: Manager, key: Key, out_key: Key | None, generator: KernelGenerator, transposed: bool) -> Name:
    name = output_name(manager, key.value, generator, transposed, out_key)
    if out_key is not None and not out_key.is_key_set():
        out_key.set_key(name)
    return name


class MinkowskiConvolutionFunction:
    """Convolution of features (N, Cin) with ``kernel`` (K, Cin, Cout)."""

    transposed = False

    @classmethod
    def apply(
        cls, feats: TorchTensor, kernel: TorchTensor, kernel_generator: KernelGenerator, convolution_mode: Any,
        in_key: Key, out_key: Key | None = None, manager: Manager | None = None,
    ) -> TorchTensor:  # fmt: skip
        """Return the features of the output."""
        assert manager is not None
        name = _output(manager, in_key, out_key, kernel_generator, cls.transposed)
        return convolve(feats, kernel, manager, in_key.value, name, kernel_generator.region, cls.transposed)


class MinkowskiConvolutionTransposeFunction(MinkowskiConvolutionFunction):
    """The transposed convolution."""

    transposed = True


class MinkowskiLocalPoolingFunction:
    """Pooling of features (N, C)."""

    transposed = False

    @classmethod
    def apply(
        cls, feats: TorchTensor, mode: PoolingMode, kernel_generator: KernelGenerator, in_key: Key,
        out_key: Key | None = None, manager: Manager | None = None,
    ) -> TorchTensor:  # fmt: skip
        """Return the pooled features."""
        assert manager is not None
        name = _output(manager, in_key, out_key, kernel_generator, cls.transposed)
        return pool(feats, mode, kernel_generator, manager, in_key.value, name, cls.transposed)


class MinkowskiLocalPoolingTransposeFunction(MinkowskiLocalPoolingFunction):
    """The transposed pooling."""

    transposed = True


class MinkowskiGlobalPoolingFunction:
    """Pooling of whole samples."""

    @staticmethod
    def apply(
        feats: TorchTensor, mode: PoolingMode, in_key: Key, out_key: Key | None = None, manager: Manager | None = None
    ) -> TorchTensor:
        """Return one row for each sample."""
        assert manager is not None
        if out_key is not None and not out_key.is_key_set():
            out_key.set_key(manager.origin_name())
        return pool_samples(feats, mode, manager, in_key)


class MinkowskiBroadcastFunction:
    """Sum or product of each row and that of its sample."""

    @staticmethod
    def apply(
        feats: TorchTensor, global_feats: TorchTensor, mode: BroadcastMode, in_key: Key, global_key: Key,
        manager: Manager,
    ) -> TorchTensor:  # fmt: skip
        """Return the joined features (N, C)."""
        of_sample = spread(global_feats, manager, in_key, global_key)
        return feats + of_sample if mode is BroadcastMode.ELEMENTWISE_ADDITON else feats * of_sample


class MinkowskiInstanceNormFunction:
    """(x - mean) / sqrt(variance) of each sample and channel."""

    @staticmethod
    def apply(
        feats: TorchTensor, in_key: Key, global_key: Key | None = None, manager: Manager | None = None, mode: Any = None
    ) -> TorchTensor:
        """Return the normalized features."""
        assert manager is not None
        return normalize_samples(feats, manager, in_key)


class MinkowskiPruningFunction:
    """Rows of which a mask is True."""

    @staticmethod
    def apply(
        feats: TorchTensor, mask: TorchTensor, in_key: Key, out_key: Key | None = None, manager: Manager | None = None
    ) -> TorchTensor:
        """Return these rows."""
        assert manager is not None
        if out_key is None or out_key.is_key_set():
            return feats[mask]
        pruned, rows = prune(manager, in_key, mask)
        out_key.set_key(pruned.value)
        return feats[rows]


class MinkowskiUnionFunction:
    """Sum on the union of voxels."""

    @staticmethod
    def apply(in_keys: list[Key], out_key: Key, manager: Manager, *feats: TorchTensor) -> TorchTensor:
        """Return the sum and set ``out_key``."""
        name, numbers = manager.union([key.value for key in in_keys])
        out_key.set_key(name)
        return united(list(feats), numbers, len(manager.coords(name)))


class MinkowskiInterpolationFunction:
    """Multilinear interpolation at positions."""

    @staticmethod
    def apply(
        feats: TorchTensor, tfield: TorchTensor, in_key: Key, manager: Manager | None = None
    ) -> tuple[TorchTensor, ...]:
        """Return the features (P, C), and voxel, row and weight of each term."""
        assert manager is not None
        return manager.interpolated(feats, in_key, tfield)


class MinkowskiDirectMaxPoolingFunction:
    """Maximum over pairs of rows."""

    @staticmethod
    def apply(
        in_map: TorchTensor, out_map: TorchTensor, feats: TorchTensor, out_nrows: int, is_sorted: bool = False
    ) -> TorchTensor:
        """Return out (out_nrows, C): the maximum of feats[in_map] over the pairs with out_map of that row."""
        return ops.segment_max(ops.gather(feats, in_map.long()), out_map.long(), out_nrows)


class MinkowskiSPMMFunction:
    """Product of a sparse matrix (rows, columns, values) of ``size`` and a dense one, (size[1], C)."""

    @staticmethod
    def apply(
        rows: TorchTensor, cols: TorchTensor, vals: TorchTensor, size: Any, mat: TorchTensor, cuda_spmm_alg: int = 1
    ) -> TorchTensor:
        """Return the product (size[0], C); it has a gradient in ``mat``."""
        return ops.weighted_sum(mat, cols.long(), vals.detach().to(mat.dtype), rows.long(), size[0])


class MinkowskiSPMMAverageFunction:
    """Mean, for each row, of the rows of a dense matrix that a sparse one has entries for."""

    @staticmethod
    def apply(rows: TorchTensor, cols: TorchTensor, size: Any, mat: TorchTensor, cuda_spmm_alg: int = 1) -> TorchTensor:
        """Return the means (size[0], C)."""
        return ops.segment_mean(ops.gather(mat, cols.long()), rows.long(), size[0])


def spmm(
    rows: TorchTensor, cols: TorchTensor, vals: TorchTensor, size: Any, mat: TorchTensor, is_sorted: bool = False,
    cuda_spmm_alg: int = 1,
) -> TorchTensor:  # fmt: skip
    """Return the product of a sparse matrix of ``size`` and a dense one."""
    return MinkowskiSPMMFunction.apply(rows, cols, vals, size, mat)


def gradcheck(func: Any, inputs: Any, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, **more: Any) -> bool:
    """Compare the gradient of a Function class, or of a plain function, with differences; ``more`` of torch."""
    more.pop("check_sparse_nnz", None)
    return torch.autograd.gradcheck(getattr(func, "apply", func), inputs, eps=eps, atol=atol, rtol=rtol, **more)
