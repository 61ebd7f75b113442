"""Kernel regions: which offsets the weights of a kernel belong to, and in which order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.minkowski.types import RegionType, Sizes, Stride, convert_to_int_list
from pcseg.sparse.sizes import check_sizes


@dataclass(frozen=True)
class Region:
    """K offsets in units of dilation times stride, in the order of the weights; what kernel maps are cached by.

    ``mirrored``: offset k is minus offset K - 1 - k.
    """

    offsets: tuple[Stride, ...]
    dilation: Stride
    mirrored: bool

    def scaled(self, stride: Sequence[int]) -> Tensor:
        """Return the offsets (K, D) int32 in finest voxels, for a finer tensor of ``stride``."""
        step = torch.tensor([s * d for s, d in zip(stride, self.dilation, strict=True)], dtype=torch.int32)
        return torch.tensor(self.offsets, dtype=torch.int32).reshape(-1, len(step)) * step


def _steps(size: int) -> range:
    """Return the steps of a cube along one axis: centered for odd sizes, from 0 for even ones."""
    return range(-(size // 2), size // 2 + 1) if size % 2 else range(size)


def _cube(size: Sequence[int]) -> list[Stride]:
    """All combinations of steps, the first axis fastest."""
    return [steps[::-1] for steps in itertools.product(*(_steps(k) for k in reversed(size)))]


def _cross(size: Sequence[int]) -> list[Stride]:
    """The center, then axis by axis 1, ..., r and -r, ..., -1."""
    offsets = [(0,) * len(size)]
    for axis, k in enumerate(size):
        r = k // 2
        offsets += [_along(axis, step, len(size)) for step in (*range(1, r + 1), *range(-r, 0))]
    return offsets


def _hybrid(size: Sequence[int], axis_types: Sequence[RegionType]) -> list[Stride]:
    """The center; for each cubic axis in turn, each offset so far moved by each step; then each axis of a cross."""
    offsets = [(0,) * len(size)]
    for axis, k in enumerate(size):
        if axis_types[axis] is RegionType.HYPER_CUBE:
            steps = [step - (k - 1) // 2 for step in range(k) if step != (k - 1) // 2]
            moved = [(*offset[:axis], step, *offset[axis + 1 :]) for offset in offsets for step in steps]
            offsets += moved
    for axis, k in enumerate(size):
        if axis_types[axis] is RegionType.HYPER_CROSS:
            offsets += [_along(axis, i - (k - 1) // 2, len(size)) for i in range(k) if i != (k - 1) // 2]
    return offsets


def _along(axis: int, step: int, dimension: int) -> Stride:
    return (0,) * axis + (step,) + (0,) * (dimension - 1 - axis)


def make_region(
    region_type: RegionType,
    size: Sequence[int],
    dilation: Sequence[int],
    offsets: Tensor | None = None,
    axis_types: Sequence[RegionType] | None = None,
) -> Region:
    """Return the region of a kernel of ``size`` along each axis.

    ``offsets`` (K, D) belong to CUSTOM, ``axis_types`` (D of them) to HYBRID. Raises InputError where they do not fit.
    """
    given = offsets is not None and offsets.numel() > 0
    if region_type is RegionType.CUSTOM:
        if offsets is None or offsets.dim() != 2 or offsets.shape[1] != len(size) or not len(offsets):
            raise InputError(f"region_offsets: give (K, {len(size)}) whole numbers for a region of type CUSTOM")
        return Region(tuple(map(tuple, offsets.int().tolist())), tuple(dilation), False)
    for k, d in zip(size, dilation, strict=True):
        check_sizes("kernel", kernel_size=k, dilation=d)
    if given:
        raise InputError(f"region_offsets: given with {region_type.name}; set region_type to RegionType.CUSTOM")
    if region_type is RegionType.HYPER_CROSS and any(k % 2 == 0 for k in size):
        raise InputError(f"kernel_size={list(size)}: a cross has odd sizes")
    if region_type is RegionType.HYBRID:
        if axis_types is None or len(axis_types) != len(size):
            raise InputError(f"axis_types: give {len(size)} region types for a region of type HYBRID")
        return Region(tuple(_hybrid(size, axis_types)), tuple(dilation), False)
    cube = region_type is RegionType.HYPER_CUBE
    listed = _cube(size) if cube else _cross(size)
    return Region(tuple(listed), tuple(dilation), cube and all(k % 2 for k in size))


class KernelGenerator:
    """Size, stride, dilation and region of a kernel, as layers take them for kernels that are no cubes.

    ``region_offsets`` (K, D) of a CUSTOM region are multiplied by dilation and stride, as are those of the others.
    """

    def __init__(
        self,
        kernel_size: Sizes = -1,
        stride: Sizes = 1,
        dilation: Sizes = 1,
        is_transpose: bool = False,
        region_type: RegionType = RegionType.HYPER_CUBE,
        region_offsets: Tensor | None = None,
        expand_coordinates: bool = False,
        axis_types: Sequence[RegionType] | None = None,
        dimension: int = -1,
        region_offset: Tensor | None = None,
    ) -> None:
        check_sizes("KernelGenerator", dimension=dimension)
        self.kernel_size = convert_to_int_list(kernel_size, dimension)
        self.kernel_stride = convert_to_int_list(stride, dimension)
        self.kernel_dilation = convert_to_int_list(dilation, dimension)
        for s in self.kernel_stride:
            check_sizes("kernel", stride=s)
        self.region_type, self.axis_types, self.dimension = region_type, axis_types, dimension
        self.region_offsets = region_offset if region_offsets is None else region_offsets
        self.expand_coordinates = expand_coordinates
        self.region = make_region(
            region_type, self.kernel_size, self.kernel_dilation, self.region_offsets, axis_types
        )  # fmt: skip
        self.kernel_volume = len(self.region.offsets)
        self.requires_strided_coordinates = all(s == 1 for s in self.kernel_stride)

    def get_kernel(self, tensor_stride: Sizes, is_transpose: bool = False) -> tuple[RegionType, Tensor, int]:
        """Return region type, offsets (empty where the type says them) and the number of weights."""
        return self.region_type, _offsets_beside(self.region_type, self.region), self.kernel_volume

    def __repr__(self) -> str:
        return (
            f"KernelGenerator(kernel_size={self.kernel_size}, kernel_stride={self.kernel_stride}, "
            f"kernel_dilation={self.kernel_dilation}, region_type={self.region_type.name}, dimension={self.dimension})"
        )


def _offsets_beside(region_type: RegionType, region: Region) -> Tensor:
    custom = region_type in (RegionType.CUSTOM, RegionType.HYBRID)
    return torch.tensor(region.offsets if custom else (), dtype=torch.int32)


def get_kernel_volume(
    region_type: RegionType, kernel_size: Sizes, region_offset: Any, axis_types: Any, dimension: int
) -> int:
    """Return the number of weights of a region."""
    size = convert_to_int_list(kernel_size, dimension)
    return len(make_region(region_type, size, [1] * dimension, region_offset, axis_types).offsets)


def convert_region_type(
    region_type: RegionType, tensor_stride: Sizes, kernel_size: Sizes, up_stride: Sizes, dilation: Sizes,
    region_offset: Any, axis_types: Any, dimension: int, center: bool = True,
) -> tuple[RegionType, Tensor, int]:  # fmt: skip
    """Return region type, offsets in finest voxels for HYBRID (then called CUSTOM) and CUSTOM, and their number."""
    size, rates = convert_to_int_list(kernel_size, dimension), convert_to_int_list(dilation, dimension)
    region = make_region(region_type, size, rates, region_offset, axis_types)
    stride = [s // u for s, u in zip(
        convert_to_int_list(tensor_stride, dimension), convert_to_int_list(up_stride, dimension), strict=True
    )]  # fmt: skip
    custom = region_type in (RegionType.CUSTOM, RegionType.HYBRID)
    offsets = region.scaled(stride) if custom else torch.empty(0, dtype=torch.int32)
    return RegionType.CUSTOM if custom else region_type, offsets, len(region.offsets)


class KernelRegion(NamedTuple):
    """The settings of a kernel, as one tuple."""

    kernel_size: Any
    kernel_stride: Any
    kernel_dilation: Any
    region_type: Any
    offset: Any
    D: int
