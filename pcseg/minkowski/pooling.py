"""Pooling of sparse tensors: local, transposed and over whole samples."""

from __future__ import annotations

from typing import Any

from torch import Tensor as TorchTensor

from pcseg import ops
from pcseg.errors import InputError
from pcseg.minkowski.convolution import MinkowskiModuleBase, check_input, output_name
from pcseg.minkowski.coordinate_manager import CoordinateManager
from pcseg.minkowski.manager import Name
from pcseg.minkowski.region import KernelGenerator
from pcseg.minkowski.sparse_tensor import SparseTensor, on_rows
from pcseg.minkowski.tensor import Tensor
from pcseg.minkowski.types import CoordinateMapKey, PoolingMode, Sizes


def reduce(feats: TorchTensor, segment: TorchTensor, segments: int, mode: PoolingMode) -> TorchTensor:
    """Return the sum, mean or maximum of each segment, (segments, C); 0 where it is empty."""
    functions = {"sum": ops.segment_sum, "avg": ops.segment_mean, "max": ops.segment_max}
    return functions[mode.reduction](feats, segment, segments)


def pool(
    feats: TorchTensor, mode: PoolingMode, generator: KernelGenerator, manager: CoordinateManager, inputs: Name,
    outputs: Name, transposed: bool,
) -> TorchTensor:  # fmt: skip
    """Return the pooled features; empty neighbors do not count.

    A kernel as large as its stride pools the voxels of each cell of the coarser stride, also where it is odd.
    """
    rows = manager.size(manager.key(outputs))
    if generator.kernel_size == generator.kernel_stride and not generator.requires_strided_coordinates:
        cells = manager.cells(outputs, inputs) if transposed else manager.cells(inputs, outputs)
        if transposed:
            kept = ops.gather(feats, cells.clamp(min=0))
            return kept if bool((cells >= 0).all()) else kept * (cells >= 0).unsqueeze(1)
        if not bool((cells >= 0).all()):
            feats, cells = feats[cells >= 0], cells[cells >= 0]
        return reduce(feats, cells, rows, mode)
    pairs = manager.kernel_map_of(inputs, outputs, generator.region, transposed).pairs.long()
    return reduce(ops.gather(feats, pairs[0]), pairs[1], rows, mode)


class MinkowskiPoolingBase(MinkowskiModuleBase):
    """Size, stride, dilation and region of a pooling layer, or a ``kernel_generator`` with these."""

    pooling_mode, transposed = PoolingMode.LOCAL_AVG_POOLING, False

    def __init__(
        self, kernel_size: Sizes = -1, stride: Sizes = 1, dilation: Sizes = 1,
        kernel_generator: KernelGenerator | None = None, dimension: int | None = None, expand_coordinates: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if dimension is None and kernel_generator is None:
            raise InputError(f"{type(self).__name__}: give dimension, the number of axes")
        self.kernel_generator = kernel_generator or KernelGenerator(
            kernel_size, stride, dilation, expand_coordinates=expand_coordinates, dimension=dimension or -1
        )
        self.dimension, self.is_transpose = self.kernel_generator.dimension, self.transposed

    def forward(self, input: SparseTensor, coordinates: Any = None) -> SparseTensor:
        check_input(self, input, self.dimension)
        manager, name = input._manager, input.coordinate_map_key.value
        outputs = output_name(manager, name, self.kernel_generator, self.transposed, coordinates)
        out = pool(input._F, self.pooling_mode, self.kernel_generator, manager, name, outputs, self.transposed)
        return on_rows(out, manager.key(outputs), manager)

    def extra_repr(self) -> str:
        return repr(self.kernel_generator)


class MinkowskiAvgPooling(MinkowskiPoolingBase):
    """Mean of the voxels that are there."""


class MinkowskiSumPooling(MinkowskiPoolingBase):
    """Sum of the voxels that are there."""

    pooling_mode = PoolingMode.LOCAL_SUM_POOLING


class MinkowskiMaxPooling(MinkowskiPoolingBase):
    """Maximum of the voxels that are there."""

    pooling_mode = PoolingMode.LOCAL_MAX_POOLING


class MinkowskiPoolingTranspose(MinkowskiPoolingBase):
    """Mean of the coarser voxels whose kernels reach a finer one."""

    transposed = True

    def __init__(
        self, kernel_size: Sizes, stride: Sizes, dilation: Sizes = 1, kernel_generator: KernelGenerator | None = None,
        expand_coordinates: bool = False, dimension: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, dilation, kernel_generator, dimension, expand_coordinates)


class MinkowskiGlobalPooling(MinkowskiModuleBase):
    """One row for each sample, at coordinate 0 and stride 0, ordered by sample number; fields, too.

    ``dimension`` is the argument of versions before 0.5 and has no effect.
    """

    default = PoolingMode.GLOBAL_AVG_POOLING_PYTORCH_INDEX

    def __init__(self, mode: PoolingMode | None = None, dimension: int | None = None) -> None:
        super().__init__()
        self.pooling_mode = self.default if mode is None else mode

    def forward(self, input: Tensor, coordinates: Any = None) -> SparseTensor:
        manager = input._manager
        out = pool_samples(input._F, self.pooling_mode, manager, input.coordinate_map_key)
        return on_rows(out, manager.origin(), manager)


def pool_samples(
    feats: TorchTensor, mode: PoolingMode, manager: CoordinateManager, key: CoordinateMapKey
) -> TorchTensor:
    """Return one row for each sample of the manager; 0 for a sample without voxels."""
    member = manager.sample_rows(key.value)
    return reduce(feats, member, manager.number_of_unique_batch_indices(), mode)


class MinkowskiGlobalAvgPooling(MinkowskiGlobalPooling):
    """Mean of each sample."""


class MinkowskiGlobalSumPooling(MinkowskiGlobalPooling):
    """Sum of each sample."""

    default = PoolingMode.GLOBAL_SUM_POOLING_PYTORCH_INDEX


class MinkowskiGlobalMaxPooling(MinkowskiGlobalPooling):
    """Maximum of each sample."""

    default = PoolingMode.GLOBAL_MAX_POOLING_PYTORCH_INDEX
