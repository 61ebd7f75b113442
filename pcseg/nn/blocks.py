"""Residual blocks (He et al., arXiv 1512.03385) of sparse convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from pcseg.nn.conv import SparseConv3d
from pcseg.nn.fused import conv_norm_relu, norm_relu
from pcseg.nn.norm import make_norm
from pcseg.sparse import SparseTensor
from pcseg.sparse.sizes import check_sizes


class ConvNormReLU(nn.Module):
    """A convolution (any layer from SparseTensor to SparseTensor), a norm of its ``channels`` and a ReLU."""

    def __init__(self, conv: nn.Module, channels: int, norm: str) -> None:
        super().__init__()
        self.conv = conv
        self.norm = make_norm(norm, channels)

    def forward(self, x: SparseTensor) -> SparseTensor:
        return conv_norm_relu(self.conv, self.norm, x)


class _Shortcut(nn.Module):
    """A linear map (a 1x1x1 convolution) and a norm: features (N, cin) to (N, cout)."""

    def __init__(self, cin: int, cout: int, norm: str) -> None:
        super().__init__()
        self.linear = nn.Linear(cin, cout, bias=False)
        self.norm = make_norm(norm, cout)

    def forward(self, feats: Tensor) -> Tensor:
        return self.norm(self.linear(feats))


def _shortcut(cin: int, cout: int, norm: str) -> nn.Module:
    """Return the identity, or a _Shortcut where the number of channels changes."""
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
        inner = x.replace(norm_relu(self.norm1, self.reduce(x.feats)))
        inner = conv_norm_relu(self.conv, self.norm2, inner)
        return x.replace(norm_relu(self.norm3, self.expand(inner.feats), self.shortcut(x.feats)))
