"""Residual and squeeze-and-excitation blocks, and the base class of networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import _has_any_global_hook

from pcseg import ops
from pcseg.errors import InputError
from pcseg.minkowski.activation import ACTIVATIONS
from pcseg.minkowski.convolution import MinkowskiConvolution, output_name
from pcseg.minkowski.joining import MinkowskiBroadcastMultiplication
from pcseg.minkowski.norm import MinkowskiBatchNorm
from pcseg.minkowski.ops import MinkowskiLinear
from pcseg.minkowski.pooling import MinkowskiGlobalAvgPooling
from pcseg.minkowski.sparse_tensor import SparseTensor, on_rows
from pcseg.nn.norm import BatchNorm

MinkowskiReLU, MinkowskiSigmoid = ACTIVATIONS["MinkowskiReLU"], ACTIVATIONS["MinkowskiSigmoid"]


class MinkowskiNetwork(nn.Module, ABC):
    """Base of networks on tensors of dimension ``D``."""

    def __init__(self, D: int) -> None:
        super().__init__()
        self.D = D

    @abstractmethod
    def forward(self, x: Any) -> Any:
        """Return the result of the network."""


def conv_norm_relu(
    conv: Any, norm: Any, relu: Any, x: SparseTensor, residual: SparseTensor | None = None
) -> SparseTensor:
    """Return relu(norm(conv(x)) + residual); on a CPU in inference in one pass over memory.

    That needs a plain convolution, a batch norm in eval mode and a ReLU, all without hooks.
    """
    if not torch.is_grad_enabled() and x.device.type == "cpu" and _plain(conv, norm, relu):
        affine = norm.bn.affine_map()
        if affine is not None and conv.bias is None and not conv.use_mm:
            manager, name = x._manager, x.coordinate_map_key.value
            outputs = output_name(manager, name, conv.kernel_generator, False, None)
            found = manager.kernel_map_of(name, outputs, conv.kernel_generator.region)
            if residual is None or residual.coordinate_map_key.value == outputs:
                extra = None if residual is None else residual._F
                out = ops.sparse_conv_norm_relu(
                    x._F, conv.kernel, found.pairs, found.starts, found.n_out, affine[0], affine[1], extra
                )  # fmt: skip
                return on_rows(out, manager.key(outputs), manager)
    out = norm(conv(x))
    if residual is not None:
        out += residual
    return relu(out)


def _plain(conv: Any, norm: Any, relu: Any) -> bool:
    exact = type(conv) is MinkowskiConvolution and type(norm) is MinkowskiBatchNorm and type(norm.bn) is BatchNorm
    if not exact or not isinstance(relu, MinkowskiReLU):
        return False
    parts = (conv, norm, norm.bn, relu, relu.module)
    return not _has_any_global_hook() and not any(m._forward_hooks or m._forward_pre_hooks for m in parts)


class BasicBlock(nn.Module):
    """Two 3 ** D convolutions and a shortcut, ``downsample`` of the input or the input."""

    expansion = 1

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, dilation: int = 1, downsample: nn.Module | None = None,
        bn_momentum: float = 0.1, dimension: int = -1,
    ) -> None:  # fmt: skip
        super().__init__()
        if dimension < 1:
            raise InputError(f"{type(self).__name__}: give dimension, the number of axes")
        self.conv1 = MinkowskiConvolution(
            inplanes, planes, kernel_size=3, stride=stride, dilation=dilation, dimension=dimension
        )
        self.norm1 = MinkowskiBatchNorm(planes, momentum=bn_momentum)
        self.conv2 = MinkowskiConvolution(planes, planes, kernel_size=3, dilation=dilation, dimension=dimension)
        self.norm2 = MinkowskiBatchNorm(planes, momentum=bn_momentum)
        self.relu = MinkowskiReLU(inplace=True)
        self.downsample = downsample

    def excite(self, x: SparseTensor) -> SparseTensor:
        """Return what the shortcut is added to."""
        return x

    def forward(self, x: SparseTensor) -> SparseTensor:
        out = conv_norm_relu(self.conv1, self.norm1, self.relu, x)
        residual = x if self.downsample is None else self.downsample(x)
        if type(self).excite is BasicBlock.excite:
            return conv_norm_relu(self.conv2, self.norm2, self.relu, out, residual)
        out = self.excite(self.norm2(self.conv2(out)))
        out += residual
        return self.relu(out)


class Bottleneck(nn.Module):
    """A 3 ** D convolution between two of size 1, the last to 4 * ``planes`` channels, and a shortcut."""

    expansion = 4

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, dilation: int = 1, downsample: nn.Module | None = None,
        bn_momentum: float = 0.1, dimension: int = -1,
    ) -> None:  # fmt: skip
        super().__init__()
        if dimension < 1:
            raise InputError(f"{type(self).__name__}: give dimension, the number of axes")
        self.conv1 = MinkowskiConvolution(inplanes, planes, kernel_size=1, dimension=dimension)
        self.norm1 = MinkowskiBatchNorm(planes, momentum=bn_momentum)
        self.conv2 = MinkowskiConvolution(
            planes, planes, kernel_size=3, stride=stride, dilation=dilation, dimension=dimension
        )
        self.norm2 = MinkowskiBatchNorm(planes, momentum=bn_momentum)
        self.conv3 = MinkowskiConvolution(planes, planes * self.expansion, kernel_size=1, dimension=dimension)
        self.norm3 = MinkowskiBatchNorm(planes * self.expansion, momentum=bn_momentum)
        self.relu = MinkowskiReLU(inplace=True)
        self.downsample = downsample

    def excite(self, x: SparseTensor) -> SparseTensor:
        """Return what the shortcut is added to."""
        return x

    def forward(self, x: SparseTensor) -> SparseTensor:
        out = self.relu(self.norm1(self.conv1(x)))
        out = conv_norm_relu(self.conv2, self.norm2, self.relu, out)
        out = self.excite(self.norm3(self.conv3(out)))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class SELayer(nn.Module):
    """Squeeze and excitation (Hu et al., arXiv 1709.01507): scale channels by a function of their means."""

    def __init__(self, channel: int, reduction: int = 16, D: int = -1) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            MinkowskiLinear(channel, channel // reduction),
            MinkowskiReLU(inplace=True),
            MinkowskiLinear(channel // reduction, channel),
            MinkowskiSigmoid(),
        )
        self.pooling = MinkowskiGlobalAvgPooling()
        self.broadcast_mul = MinkowskiBroadcastMultiplication()

    def forward(self, x: SparseTensor) -> SparseTensor:
        return self.broadcast_mul(x, self.fc(self.pooling(x)))


class SEBasicBlock(BasicBlock):
    """A BasicBlock with squeeze and excitation before the shortcut is added."""

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, dilation: int = 1, downsample: nn.Module | None = None,
        reduction: int = 16, D: int = -1,
    ) -> None:  # fmt: skip
        super().__init__(inplanes, planes, stride, dilation, downsample, dimension=D)
        self.se = SELayer(planes, reduction, D)

    def excite(self, x: SparseTensor) -> SparseTensor:
        return self.se(x)


class SEBottleneck(Bottleneck):
    """A Bottleneck with squeeze and excitation before the shortcut is added."""

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, dilation: int = 1, downsample: nn.Module | None = None,
        D: int = 3, reduction: int = 16,
    ) -> None:  # fmt: skip
        super().__init__(inplanes, planes, stride, dilation, downsample, dimension=D)
        self.se = SELayer(planes * self.expansion, reduction, D)

    def excite(self, x: SparseTensor) -> SparseTensor:
        return self.se(x)
