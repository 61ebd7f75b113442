"""Convolutions of sparse tensors: plain, transposed, generative transposed and channelwise."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor as TorchTensor
from torch import nn

from pcseg import ops
from pcseg.errors import InputError
from pcseg.minkowski.coordinate_manager import CoordinateManager
from pcseg.minkowski.inputs import whole
from pcseg.minkowski.manager import Name
from pcseg.minkowski.region import KernelGenerator, Region
from pcseg.minkowski.sparse_tensor import SparseTensor, on_rows
from pcseg.minkowski.types import ConvolutionMode, CoordinateMapKey, Sizes
from pcseg.sparse.sizes import check_sizes


class MinkowskiModuleBase(nn.Module):
    """Base of the layers that have no parameters in common."""


def output_name(
    manager: CoordinateManager, inputs: Name, generator: KernelGenerator, transposed: bool, coordinates: Any
) -> Name:
    """Return the coordinates of a layer's output: the given ones, or those that follow from its kernel and stride.

    ``coordinates`` is None, a tensor (M, 1 + D) of voxels at the stride of the output, a key or a SparseTensor.
    """
    stride = generator.kernel_stride
    if isinstance(coordinates, TorchTensor):
        pairs = zip(inputs[0], stride, strict=True)
        new = [a // b if transposed else a * b for a, b in pairs]
        return manager.insert_and_map(whole(coordinates).to(manager.coords(inputs).device), new)[0].value
    if coordinates is not None and (not isinstance(coordinates, CoordinateMapKey) or coordinates.is_key_set()):
        return manager.name_of(coordinates)
    if transposed or generator.expand_coordinates:
        return manager.expanded(inputs, stride, generator.region, transposed, generator.expand_coordinates)
    return manager.strided(inputs, stride)


def convolve(
    feats: TorchTensor, kernel: TorchTensor, manager: CoordinateManager, inputs: Name, outputs: Name, region: Region,
    transposed: bool,
) -> TorchTensor:  # fmt: skip
    """Return the features (M, Cout) of a convolution with ``kernel`` (K, Cin, Cout)."""
    to, t_pairs, t_starts = manager.kernel_map_of(inputs, outputs, region, transposed), None, None
    if torch.is_grad_enabled() and feats.requires_grad:
        back = manager.kernel_map_of(outputs, inputs, region) if transposed else to.transposed
        t_pairs, t_starts = back.pairs, back.starts
    return ops.sparse_conv(feats, kernel, to.pairs, to.starts, to.n_out, t_pairs, t_starts)


def check_input(layer: nn.Module, x: Any, dimension: int, channels: int | None = None) -> None:
    """Raise InputError unless ``x`` is a SparseTensor of that many axes and channels."""
    if not isinstance(x, SparseTensor):
        raise InputError(
            f"{type(layer).__name__}: give a SparseTensor (of a field: its sparse()), not a {type(x).__name__}"
        )
    if dimension != x.D:
        raise InputError(f"{type(layer).__name__}: dimension={dimension}, but the tensor has {x.D} axes")
    if channels is not None and x.F.shape[1] != channels:
        raise InputError(f"{type(layer).__name__}: {x.F.shape[1]} channels given; give {channels}")


class MinkowskiConvolutionBase(MinkowskiModuleBase):
    """``kernel`` (K, Cin, Cout), (Cin, Cout) where K and the stride are 1, and ``bias`` (1, Cout) or None.

    ``kernel_generator`` replaces size, stride and dilation. ``convolution_mode`` has no effect; ``has_bias`` and
    ``generate_new_coords`` are the names of ``bias`` and ``expand_coordinates`` before version 0.5.
    """

    transposed, generative = False, False

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes = -1, stride: Sizes = 1, dilation: Sizes = 1,
        bias: bool = False, kernel_generator: KernelGenerator | None = None, expand_coordinates: bool = False,
        convolution_mode: ConvolutionMode = ConvolutionMode.DEFAULT, dimension: int | None = None, *,
        has_bias: bool = False, generate_new_coords: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if dimension is None and kernel_generator is None:
            raise InputError(f"{type(self).__name__}: give dimension, the number of axes")
        check_sizes(type(self).__name__, in_channels=in_channels, out_channels=out_channels)
        expand = expand_coordinates or generate_new_coords or self.generative
        self.kernel_generator = kernel_generator or KernelGenerator(
            kernel_size, stride, dilation, expand_coordinates=expand, dimension=dimension or -1
        )
        if self.generative:
            self.kernel_generator.expand_coordinates = True
        self.in_channels, self.out_channels, self.is_transpose = in_channels, out_channels, self.transposed
        self.dimension = self.kernel_generator.dimension
        self.convolution_mode = convolution_mode
        volume = self.kernel_generator.kernel_volume
        self.use_mm = volume == 1 and self.kernel_generator.requires_strided_coordinates and self._centered()
        shape = (in_channels, out_channels) if self.use_mm else (volume, in_channels, out_channels)
        self.kernel = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(1, out_channels)) if bias or has_bias else None
        self.reset_parameters(self.transposed)

    def _centered(self) -> bool:
        return not any(self.kernel_generator.region.offsets[0])

    def reset_parameters(self, is_transpose: bool = False) -> None:
        """Draw kernel and bias evenly from +-1 / sqrt(n), n = Cin * K; transposed: Cout * K."""
        draw(self.kernel_generator.kernel_volume * (self.out_channels if is_transpose else self.in_channels), self)

    def forward(self, input: SparseTensor, coordinates: Any = None) -> SparseTensor:
        check_input(self, input, self.dimension, self.in_channels)
        manager, name = input._manager, input.coordinate_map_key.value
        if self.use_mm:
            out = input._F.mm(self.kernel)
        else:
            outputs = output_name(manager, name, self.kernel_generator, self.transposed, coordinates)
            region = self.kernel_generator.region
            out = convolve(input._F, self.kernel, manager, name, outputs, region, self.transposed)
            name = outputs
        if self.bias is not None:
            out = out + self.bias.to(out.dtype)
        return on_rows(out, manager.key(name), manager)

    def extra_repr(self) -> str:
        return f"in={self.in_channels}, out={self.out_channels}, {self.kernel_generator}"


def draw(fan: int, layer: Any) -> None:
    """Draw kernel and bias evenly from +-1 / sqrt(fan)."""
    with torch.no_grad():
        for parameter in (layer.kernel, layer.bias):
            if parameter is not None:
                parameter.uniform_(-1 / math.sqrt(fan), 1 / math.sqrt(fan))


class MinkowskiConvolution(MinkowskiConvolutionBase):
    """out[m] = sum over k of in[m + offset k * stride of the input] @ kernel[k] + bias, on strided or given voxels.

    With ``expand_coordinates`` the output has all voxels that the kernel reaches.
    """


class MinkowskiConvolutionTranspose(MinkowskiConvolutionBase):
    """The transpose of a MinkowskiConvolution: back to the voxels of the finer stride, or, if there are none, to all
    that the kernel reaches (with ``expand_coordinates`` always)."""

    transposed = True


class MinkowskiGenerativeConvolutionTranspose(MinkowskiConvolutionBase):
    """A transposed convolution to all voxels that the kernel reaches from the input's."""

    transposed, generative = True, True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes = -1, stride: Sizes = 1, dilation: Sizes = 1,
        bias: bool = False, kernel_generator: KernelGenerator | None = None,
        convolution_mode: ConvolutionMode = ConvolutionMode.DEFAULT, dimension: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, dilation, bias, kernel_generator, True, convolution_mode,
            dimension,
        )  # fmt: skip


class MinkowskiChannelwiseConvolution(MinkowskiModuleBase):
    """A convolution of each channel on its own: ``kernel`` (K, C), ``bias`` (1, C) or None."""

    def __init__(
        self, in_channels: int, kernel_size: Sizes = -1, stride: Sizes = 1, dilation: Sizes = 1, bias: bool = False,
        kernel_generator: KernelGenerator | None = None, dimension: int = -1, *, has_bias: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_generator = kernel_generator or KernelGenerator(kernel_size, stride, dilation, dimension=dimension)
        self.in_channels, self.dimension = in_channels, self.kernel_generator.dimension
        self.kernel = nn.Parameter(torch.empty(self.kernel_generator.kernel_volume, in_channels))
        self.bias = nn.Parameter(torch.empty(1, in_channels)) if bias or has_bias else None
        self.reset_parameters()

    def reset_parameters(self, is_transpose: bool = False) -> None:
        """Draw kernel and bias evenly from +-1 / sqrt(C * K)."""
        draw(self.kernel_generator.kernel_volume * self.in_channels, self)

    def forward(self, input: SparseTensor, coords: Any = None) -> SparseTensor:
        check_input(self, input, self.dimension, self.in_channels)
        manager, name = input._manager, input.coordinate_map_key.value
        outputs = output_name(manager, name, self.kernel_generator, False, coords)
        found = manager.kernel_map_of(name, outputs, self.kernel_generator.region)
        rows_in, rows_out = found.pairs.long()
        count = found.starts.diff().to(rows_in.device)
        weight = torch.repeat_interleave(self.kernel, count, dim=0, output_size=len(rows_in))
        terms = ops.gather(input._F, rows_in) * weight.to(input._F.dtype)
        out = ops.segment_sum(terms, rows_out, found.n_out)
        return on_rows(out if self.bias is None else out + self.bias, manager.key(outputs), manager)
