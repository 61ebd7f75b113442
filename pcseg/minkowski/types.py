"""Modes, region types and coordinate map keys, under the names that code for MinkowskiEngine uses."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, IntEnum
from typing import Any, SupportsInt, TypeAlias

import numpy as np
import torch
from torch import Tensor as TorchTensor

from pcseg.errors import InputError

Sizes: TypeAlias = "int | Sequence[int] | np.ndarray | TorchTensor"
Stride: TypeAlias = tuple[int, ...]


class RegionType(IntEnum):
    """Shape of a kernel (see ``region.py``); names without the underscore are those before version 0.5."""

    HYPER_CUBE = 0
    HYPER_CROSS = 1
    CUSTOM = 2
    HYBRID = 3
    HYPERCUBE = HYPER_CUBE
    HYPERCROSS = HYPER_CROSS


setattr(RegionType, "__entries", {member.name: (member, None) for member in RegionType})


class PoolingMode(IntEnum):
    """How pooled rows are reduced; the three ways of computing a global one are the same here."""

    LOCAL_SUM_POOLING = 0
    LOCAL_AVG_POOLING = 1
    LOCAL_MAX_POOLING = 2
    GLOBAL_SUM_POOLING_DEFAULT = 3
    GLOBAL_AVG_POOLING_DEFAULT = 4
    GLOBAL_MAX_POOLING_DEFAULT = 5
    GLOBAL_SUM_POOLING_KERNEL = 6
    GLOBAL_AVG_POOLING_KERNEL = 7
    GLOBAL_MAX_POOLING_KERNEL = 8
    GLOBAL_SUM_POOLING_PYTORCH_INDEX = 9
    GLOBAL_AVG_POOLING_PYTORCH_INDEX = 10
    GLOBAL_MAX_POOLING_PYTORCH_INDEX = 11

    @property
    def reduction(self) -> str:
        """The reduction: "sum", "avg" or "max"."""
        return self.name.split("_")[1].lower()


class BroadcastMode(IntEnum):
    """How the row of a sample joins each row of its voxels (the first name is spelled as there)."""

    ELEMENTWISE_ADDITON = 0
    ELEMENTWISE_MULTIPLICATION = 1


class ConvolutionMode(IntEnum):
    """Accepted and without effect, as are the next three: there is one algorithm for each device."""

    DEFAULT = 0
    DIRECT_GEMM = 1
    COPY_GEMM = 2


class MinkowskiAlgorithm(IntEnum):
    """Without effect."""

    DEFAULT = 0
    MEMORY_EFFICIENT = 1
    SPEED_OPTIMIZED = 2


class CoordinateMapType(IntEnum):
    """Without effect: coordinates stay on the device they are given on."""

    CPU = 0
    CUDA = 1


class GPUMemoryAllocatorType(IntEnum):
    """Without effect: PyTorch allocates all memory."""

    PYTORCH = 0
    CUDA = 1


class SparseTensorOperationMode(Enum):
    """Whether tensors made from coordinates get a coordinate manager of their own or share a global one."""

    SEPARATE_COORDINATE_MANAGER = 0
    SHARE_COORDINATE_MANAGER = 1


class SparseTensorQuantizationMode(Enum):
    """What becomes of features whose coordinates coincide; RANDOM_SUBSAMPLE keeps the first row."""

    RANDOM_SUBSAMPLE = 0
    UNWEIGHTED_AVERAGE = 1
    UNWEIGHTED_SUM = 2
    NO_QUANTIZATION = 3
    MAX_POOL = 4
    SPLAT_LINEAR_INTERPOLATION = 5


def convert_to_int_list(arg: Any, dimension: int) -> list[int]:
    """Return ``dimension`` whole numbers: those of a sequence, or one number for each axis.

    Raises InputError for another count or fractions.
    """
    values = arg.tolist() if isinstance(arg, (np.ndarray, TorchTensor)) else arg
    values = list(values) if isinstance(values, (list, tuple)) else [values] * dimension
    if len(values) != dimension or any(not isinstance(v, SupportsInt) or int(v) != v for v in values):
        raise InputError(f"{arg}: give a whole number, or {dimension} of them, one for each axis")
    return [int(value) for value in values]


def convert_to_int_tensor(arg: Any, dimension: int) -> TorchTensor:
    """Return :func:`convert_to_int_list` as a tensor (D,) int32."""
    return torch.tensor(convert_to_int_list(arg, dimension), dtype=torch.int32)


class CoordinateMapKey:
    """Name of a set of coordinates within a manager: a stride for each axis and a text that tells equal strides apart.

    ``CoordinateMapKey(D + 1)`` is empty until a layer sets it; ``CoordinateMapKey(stride, text)`` is set.
    """

    def __init__(self, size_or_stride: int | Sequence[int], string_id: str | None = None) -> None:
        self._value: tuple[Stride, str] | None = None
        if isinstance(size_or_stride, int):
            self._size = size_or_stride
        else:
            self._size = len(size_or_stride) + 1
            self.set_key(size_or_stride, string_id or "")

    @property
    def value(self) -> tuple[Stride, str]:
        """Stride and text; raises InputError while the key is empty."""
        if self._value is None:
            raise InputError("coordinate_map_key: it is empty; pass one that a tensor has")
        return self._value

    def is_key_set(self) -> bool:
        """Return whether the key names coordinates."""
        return self._value is not None

    def get_coordinate_size(self) -> int:
        """Return D + 1."""
        return self._size

    def get_key(self) -> tuple[list[int], str]:
        """Return stride and text."""
        stride, text = self.value
        return list(stride), text

    def set_key(self, stride_or_key: Any, string_id: str | None = None) -> None:
        """Set stride and text, given as two arguments or one pair."""
        stride, text = stride_or_key if string_id is None else (stride_or_key, string_id)
        self._value = tuple(int(s) for s in stride), text

    def get_tensor_stride(self) -> list[int]:
        """Return the stride of each axis."""
        return list(self.value[0])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CoordinateMapKey) and self._value == other._value and self._size == other._size

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"coordinate map key:{self._value if self._value else f'empty, {self._size} columns'}"
