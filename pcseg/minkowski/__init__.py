"""Compatible with MinkowskiEngine 0.5: its interface over pcseg's ops. ``from pcseg import minkowski as ME``.

:func:`install` makes ``import MinkowskiEngine`` find it, for code that is to run unchanged.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from pcseg.errors import InputError
from pcseg.minkowski import activation, blocks, utils
from pcseg.minkowski import ops as MinkowskiOps
from pcseg.minkowski.blocks import MinkowskiNetwork
from pcseg.minkowski.convolution import (
    MinkowskiChannelwiseConvolution,
    MinkowskiConvolution,
    MinkowskiConvolutionBase,
    MinkowskiConvolutionTranspose,
    MinkowskiGenerativeConvolutionTranspose,
    MinkowskiModuleBase,
)
from pcseg.minkowski.coordinate_manager import CoordinateManager
from pcseg.minkowski.field import TensorField
from pcseg.minkowski.functions import (
    MinkowskiBroadcastFunction,
    MinkowskiConvolutionFunction,
    MinkowskiConvolutionTransposeFunction,
    MinkowskiDirectMaxPoolingFunction,
    MinkowskiGlobalPoolingFunction,
    MinkowskiInstanceNormFunction,
    MinkowskiInterpolationFunction,
    MinkowskiLocalPoolingFunction,
    MinkowskiLocalPoolingTransposeFunction,
    MinkowskiPruningFunction,
    MinkowskiSPMMAverageFunction,
    MinkowskiSPMMFunction,
    MinkowskiUnionFunction,
    gradcheck,
    spmm,
)
from pcseg.minkowski.inputs import (
    clear_global_coordinate_manager,
    global_coordinate_manager,
    set_global_coordinate_manager,
    set_sparse_tensor_operation_mode,
    sparse_tensor_operation_mode,
)
from pcseg.minkowski.joining import (
    MinkowskiBroadcast,
    MinkowskiBroadcastAddition,
    MinkowskiBroadcastBase,
    MinkowskiBroadcastConcatenation,
    MinkowskiBroadcastMultiplication,
    MinkowskiInterpolation,
    MinkowskiPruning,
    MinkowskiUnion,
)
from pcseg.minkowski.names import install
from pcseg.minkowski.norm import (
    MinkowskiBatchNorm,
    MinkowskiInstanceNorm,
    MinkowskiStableInstanceNorm,
    MinkowskiSyncBatchNorm,
)
from pcseg.minkowski.ops import (
    MinkowskiLinear,
    MinkowskiStackCat,
    MinkowskiStackMean,
    MinkowskiStackSum,
    MinkowskiStackVar,
    MinkowskiToDenseTensor,
    MinkowskiToFeature,
    MinkowskiToSparseTensor,
    cat,
    dense_coordinates,
    mean,
    sum,
    to_sparse,
    to_sparse_all,
    var,
)
from pcseg.minkowski.pooling import (
    MinkowskiAvgPooling,
    MinkowskiGlobalAvgPooling,
    MinkowskiGlobalMaxPooling,
    MinkowskiGlobalPooling,
    MinkowskiGlobalSumPooling,
    MinkowskiMaxPooling,
    MinkowskiPoolingBase,
    MinkowskiPoolingTranspose,
    MinkowskiSumPooling,
)
from pcseg.minkowski.region import KernelGenerator, KernelRegion, convert_region_type, get_kernel_volume
from pcseg.minkowski.sparse_tensor import SparseTensor
from pcseg.minkowski.tensor import Tensor
from pcseg.minkowski.types import (
    BroadcastMode,
    ConvolutionMode,
    CoordinateMapKey,
    CoordinateMapType,
    GPUMemoryAllocatorType,
    MinkowskiAlgorithm,
    PoolingMode,
    RegionType,
    SparseTensorOperationMode,
    SparseTensorQuantizationMode,
    convert_to_int_list,
    convert_to_int_tensor,
)

__all__ = [
    "BroadcastMode", "ConvolutionMode", "CoordinateManager", "CoordinateMapKey", "CoordinateMapType",
    "CoordsManager", "GPUMemoryAllocatorType", "KernelGenerator", "KernelRegion", "MinkowskiAlgorithm",
    "MinkowskiAvgPooling", "MinkowskiAvgUnpooling", "MinkowskiBatchNorm", "MinkowskiBroadcast",
    "MinkowskiBroadcastAddition", "MinkowskiBroadcastBase", "MinkowskiBroadcastConcatenation",
    "MinkowskiBroadcastFunction", "MinkowskiBroadcastMultiplication", "MinkowskiChannelwiseConvolution",
    "MinkowskiConvolution", "MinkowskiConvolutionBase", "MinkowskiConvolutionFunction",
    "MinkowskiConvolutionTranspose", "MinkowskiConvolutionTransposeFunction", "MinkowskiDirectMaxPoolingFunction",
    "MinkowskiFunctional", "MinkowskiGenerativeConvolutionTranspose", "MinkowskiGlobalAvgPooling",
    "MinkowskiGlobalMaxPooling", "MinkowskiGlobalPooling", "MinkowskiGlobalPoolingFunction",
    "MinkowskiGlobalSumPooling", "MinkowskiInstanceNorm", "MinkowskiInstanceNormFunction", "MinkowskiInterpolation",
    "MinkowskiInterpolationFunction", "MinkowskiLinear", "MinkowskiLocalPoolingFunction",
    "MinkowskiLocalPoolingTransposeFunction", "MinkowskiMaxPooling", "MinkowskiModuleBase", "MinkowskiNetwork",
    "MinkowskiNonlinearityBase", "MinkowskiOps", "MinkowskiPoolingBase", "MinkowskiPoolingTranspose",
    "MinkowskiPruning", "MinkowskiPruningFunction", "MinkowskiSPMMAverageFunction", "MinkowskiSPMMFunction",
    "MinkowskiSinusoidal", "MinkowskiStableInstanceNorm", "MinkowskiStackCat", "MinkowskiStackMean",
    "MinkowskiStackSum", "MinkowskiStackVar", "MinkowskiSumPooling", "MinkowskiSyncBatchNorm",
    "MinkowskiToDenseTensor", "MinkowskiToFeature", "MinkowskiToSparseTensor", "MinkowskiUnion",
    "MinkowskiUnionFunction", "PoolingMode", "RegionType", "SparseTensor", "SparseTensorOperationMode",
    "SparseTensorQuantizationMode", "Tensor", "TensorField", "cat", "clear_global_coordinate_manager",
    "convert_region_type", "convert_to_int_list", "convert_to_int_tensor", "cuda_version", "cudart_version",
    "dense_coordinates", "get_gpu_memory_info", "get_kernel_volume", "global_coordinate_manager", "gradcheck",
    "initialize_nthreads", "install", "is_cuda_available", "mean", "modules", "print_diagnostics",
    "set_global_coordinate_manager", "set_gpu_allocator", "set_memory_manager_backend",
    "set_sparse_tensor_operation_mode", "sparse_tensor_operation_mode", "spmm", "sum", "to_sparse", "to_sparse_all",
    "utils", "var",
]  # fmt: skip

__version__ = "0.5.4"
"""The version of MinkowskiEngine whose interface this is."""

globals().update(activation.ACTIVATIONS)
MinkowskiNonlinearityBase, MinkowskiSinusoidal = activation.MinkowskiNonlinearityBase, activation.MinkowskiSinusoidal
MinkowskiAvgUnpooling = MinkowskiPoolingTranspose  # the name before version 0.5
MinkowskiFunctional = SimpleNamespace(**activation.functions())
modules = SimpleNamespace(
    resnet_block=SimpleNamespace(BasicBlock=blocks.BasicBlock, Bottleneck=blocks.Bottleneck),
    senet_block=SimpleNamespace(
        SELayer=blocks.SELayer, SEBasicBlock=blocks.SEBasicBlock, SEBottleneck=blocks.SEBottleneck
    ),
)


def is_cuda_available() -> bool:
    """Return whether torch finds a GPU."""
    return torch.cuda.is_available()


def cuda_version() -> int:
    """Return the version of CUDA that torch was built with, such as 12060; -1 without."""
    major, minor = (torch.version.cuda or "0.0").split(".")[:2]
    return int(major) * 1000 + int(minor) * 10 if torch.version.cuda else -1


cudart_version = cuda_version


def get_gpu_memory_info() -> tuple[int, int]:
    """Return the free and the total memory of the GPU in bytes."""
    return torch.cuda.mem_get_info()


def set_gpu_allocator(backend: Any) -> None:
    """Accept a backend, without effect: PyTorch allocates all memory."""


set_memory_manager_backend = set_gpu_allocator


def initialize_nthreads(num_threads: int, D: int) -> None:
    """Accept what code before version 0.5 sets, without effect: torch.set_num_threads sets the threads."""


def print_diagnostics() -> None:
    """Print the versions of torch and CUDA."""
    print(f"torch {torch.__version__}, CUDA {torch.version.cuda}, GPU {torch.cuda.is_available()}")


def CoordsManager(*args: Any, **kwargs: Any) -> None:
    """Refuse the manager of before version 0.5, whose functions had other names and results."""
    raise InputError("CoordsManager: it was replaced by CoordinateManager in version 0.5; use that")
