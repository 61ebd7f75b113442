"""Cache of the coordinates and kernel maps of one input, shared by all layers: each is computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from pcseg import ops
from pcseg.errors import InputError
from pcseg.sparse.kernel_map import KernelMap, kernel_offsets

P = ParamSpec("P")
T = TypeVar("T")


class MapCache:
    """Coordinates and kernel maps derived from one set of voxels; freed with the last tensor that uses them.

    It holds no features and no tensor that refers to it, so reference counting frees it.
    """

    def __init__(self, coords: Tensor, stride: int = 1) -> None:
        self.stride = stride
        self._coords = {stride: coords}
        self._maps: dict[tuple[int, int, int, int], KernelMap] = {}

    def coords(self, stride: int) -> Tensor:
        """Return coordinates (N, 4) int32 at ``stride``: the input's voxels rounded down to multiples of it.

        The input's own keep their order; coarser ones are sorted by (sample, x, y, z). Raises InputError for a
        ``stride`` that is no multiple of the input's.
        """
        if stride not in self._coords:
            if stride < self.stride or stride % self.stride:
                raise InputError(f"stride={stride}: this input has voxels of stride {self.stride}; use a multiple")
            nearest = max(s for s in self._coords if stride % s == 0)
            self._coords[stride] = _eagerly(downsample, self._coords[nearest], stride)
        return self._coords[stride]

    def kernel_map(self, in_stride: int, out_stride: int, kernel_size: int, dilation: int = 1) -> KernelMap:
        """Return the map of a convolution between two strides; to a finer stride, the transpose of the opposite map.

        ``dilation`` is in voxels of the finer stride.
        """
        if out_stride < in_stride:
            return self.kernel_map(out_stride, in_stride, kernel_size, dilation).transposed
        key = (in_stride, out_stride, kernel_size, dilation)
        if key not in self._maps:
            self._maps[key] = _eagerly(self._build, *key)
        return self._maps[key]

    def _build(self, in_stride: int, out_stride: int, kernel_size: int, dilation: int) -> KernelMap:
        inputs, outputs = self.coords(in_stride), self.coords(out_stride)
        pairs, starts = ops.kernel_map(inputs, outputs, kernel_offsets(kernel_size, in_stride, dilation))
        mirrored = in_stride == out_stride and kernel_size % 2 == 1
        return KernelMap(pairs, starts, len(inputs), len(outputs), mirrored)


def downsample(coords: Tensor, stride: int) -> Tensor:
    """Return coordinates (N, 4) int32 rounded down to multiples of ``stride`` (also below zero), each once, sorted."""
    sample, position = coords[:, :1], coords[:, 1:]
    coarse = torch.cat([sample, torch.div(position, stride, rounding_mode="floor") * stride], dim=1)
    return coarse[ops.voxelize(coarse).rows]


def _eagerly(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``function`` outside the graphs of torch.compile, which geometry would break since it depends on data."""
    if torch.compiler.is_compiling():
        function = torch.compiler.disable(function)
    return function(*args, **kwargs)
