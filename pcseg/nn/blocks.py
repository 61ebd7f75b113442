"""Residual blocks (He et al., arXiv 1512.03385) of sparse convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from pcseg.nn.conv import SparseConv, SparseConv3d
from pcseg.nn.norm import BatchNorm, make_norm
from pcseg.sparse import SparseTensor
from pcseg.sparse.sizes import check_sizes


def conv_norm_relu(conv: nn.Module, norm: nn.Module, x: SparseTensor, residual: Tensor | None = None) -> SparseTensor:
    """relu(norm(conv(x)) + residual); on a CPU in one pass over memory where no gradient is wanted.

    That takes one of our convolutions and a batch norm in eval mode, and that neither has a hook, which would not be
    called.
    """
    apart = torch.is_grad_enabled() or x.feats.device.type != "cpu" or _hooked(conv) or _hooked(norm)
    if not apart and isinstance(conv, SparseConv) and isinstance(norm, BatchNorm) and (affine := norm.affine_map()):
        return conv.norm_relu(x, *affine, residual)
    x = conv(x)
    return x.replace(_norm_relu(norm, x.feats, residual))


def _norm_relu(norm: nn.Module, feats: Tensor, residual: Tensor | None = None) -> Tensor:
    """relu(norm(feats) + residual), in the memory that the norm's output takes, unless somebody else may hold that."""
    feats = norm(feats)
    alone = type(norm) in (BatchNorm, nn.LayerNorm) and not _hooked(norm)
    if not alone or (residual is not None and residual.dtype != feats.dtype):
        return torch.relu(feats if residual is None else feats + residual)
    return torch.relu_(feats if residual is None else feats.add_(residual))


def _hooked(module: nn.Module) -> bool:
    forward = module._forward_hooks or module._forward_pre_hooks
    backward = module._backward_hooks or module._backward_pre_hooks
    return bool(forward or backward or _has_any_global_hook())


class ConvNormReLU(nn.Module):
    """A convolution (any layer from SparseTensor to SparseTensor), a norm and a ReLU."""

    def __init__(self, conv: nn.Module, channels: int, norm: str) -> None:
        super().__init__()
        self.conv = conv
        self.norm = make_norm(norm, channels)

    def forward(self, x: SparseTensor) -> SparseTensor:
        return conv_norm_relu(self.conv, self.norm, x)


class _Shortcut(nn.Module):
    """The features as they are, or through a linear map (a 1x1x1 convolution) and a norm where channels change."""

    def __init__(self, cin: int, cout: int, norm: str) -> None:
        super().__init__()
        self.linear = nn.Linear(cin, cout, bias=False)
        self.norm = make_norm(norm, cout)

    def forward(self, feats: Tensor) -> Tensor:
        return self.norm(self.linear(feats))


def _shortcut(cin: int, cout: int, norm: str) -> nn.Module:
    return nn.Identity() if cin == cout else _Shortcut(cin, cout, norm)


class BasicBlock(nn.Module):
    """Two 3x3x3 convolutions and a shortcut: features (N, cin) to (N, width)."""

    expansion = 1

    def __init__(self, cin: int, width: int, norm: str = "batch") -> None:
        super().__init__()
        self.conv1 = SparseConv3d(cin, width, 3)
        self.norm1 = make_norm(norm, width)
        self.conv2 = SparseConv3d(width, width, 3)
        self.norm2 = make_norm(norm, width)
        self.shortcut = _shortcut(cin, width, norm)

    def forward(self, x: SparseTensor) -> SparseTensor:
        inner = conv_norm_relu(self.conv1, self.norm1, x)
        return conv_norm_relu(self.conv2, self.norm2, inner, self.shortcut(x.feats))


class Bottleneck(nn.Module):
    """A 3x3x3 convolution of few channels between two linear maps: features (N, cin) to (N, 4 * width)."""

    expansion = 4

    def __init__(self, cin: int, width: int, norm: str = "batch") -> None:
        super().__init__()
        check_sizes("Bottleneck", cin=cin, width=width)
        cout = width * self.expansion
        self.reduce = nn.Linear(cin, width, bias=False)
        self.norm1 = make_norm(norm, width)
        self.conv = SparseConv3d(width, width, 3)
        self.norm2 = make_norm(norm, width)
        self.expand = nn.Linear(width, cout, bias=False)
        self.norm3 = make_norm(norm, cout)
        self.shortcut = _shortcut(cin, cout, norm)

    def forward(self, x: SparseTensor) -> SparseTensor:
        inner = x.replace(_norm_relu(self.norm1, self.reduce(x.feats)))
        inner = conv_norm_relu(self.conv, self.norm2, inner)
        return x.replace(_norm_relu(self.norm3, self.expand(inner.feats), self.shortcut(x.feats)))
