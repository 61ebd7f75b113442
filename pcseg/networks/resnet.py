"""Residual networks of images (He et al., arXiv 1512.03385) as encoders, with the names of torchvision's weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from pcseg.errors import InputError
from pcseg.networks.encoder import Encoder
from pcseg.nn.maps import BatchNorm2d, draw_weights


class BasicBlock2d(nn.Module):
    """Two 3x3 convolutions and a shortcut; ``before`` is the dilation of the first one, which has the stride."""

    expansion = 1

    def __init__(self, cin: int, width: int, stride: int, before: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = _conv(cin, width, 3, stride, before)
        self.bn1 = BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, 1, dilation)
        self.bn2 = BatchNorm2d(width)
        self.downsample = _shortcut(cin, width, stride)

    def forward(self, maps: Tensor) -> Tensor:
        inner = torch.relu_(self.bn1(self.conv1(maps)))
        inner = self.bn2(self.conv2(inner))
        return torch.relu_(inner + (maps if self.downsample is None else self.downsample(maps)))


class Bottleneck2d(nn.Module):
    """A 3x3 convolution, which has the stride and the dilation ``before``, between two 1x1, and a shortcut."""

    expansion = 4

    def __init__(self, cin: int, width: int, stride: int, before: int, dilation: int) -> None:
        super().__init__()
        cout = width * self.expansion
        self.conv1 = _conv(cin, width, 1)
        self.bn1 = BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride, before)
        self.bn2 = BatchNorm2d(width)
        self.conv3 = _conv(width, cout, 1)
        self.bn3 = BatchNorm2d(cout)
        self.downsample = _shortcut(cin, cout, stride)

    def forward(self, maps: Tensor) -> Tensor:
        inner = torch.relu_(self.bn1(self.conv1(maps)))
        inner = torch.relu_(self.bn2(self.conv2(inner)))
        inner = self.bn3(self.conv3(inner))
        return torch.relu_(inner + (maps if self.downsample is None else self.downsample(maps)))


DEPTHS: dict[int, tuple[type[BasicBlock2d] | type[Bottleneck2d], tuple[int, ...]]] = {
    18: (BasicBlock2d, (2, 2, 2, 2)),
    34: (BasicBlock2d, (3, 4, 6, 3)),
    50: (Bottleneck2d, (3, 4, 6, 3)),
    101: (Bottleneck2d, (3, 4, 23, 3)),
}
"""Blocks and their number in each of the last four stages (He et al., Table 1)."""


class ResNet(Encoder):
    """ResNet of ``depth`` 18, 34, 50 or 101 without its classifier: see :class:`Encoder`.

    As in torchvision, the stride of a bottleneck is that of its 3x3 convolution.
    """

    unused = ("fc.",)

    def __init__(self, depth: int, in_channels: int = 3, output_stride: int = 32) -> None:
        super().__init__(in_channels, output_stride)
        if depth not in DEPTHS:
            raise InputError(f"depth={depth}: must be one of {', '.join(map(str, DEPTHS))}")
        kind, counts = DEPTHS[depth]
        widths = (64, 128, 256, 512)
        self.channels = (64, *(kind.expansion * width for width in widths))
        self.conv1 = _conv(in_channels, 64, 7, 2)
        self.bn1 = BatchNorm2d(64)
        stages = []
        for i, (width, count) in enumerate(zip(widths, counts, strict=True), start=1):
            # The stride of the second stage, the first of blocks, is that of the pool before it.
            stride = 1 if i == 1 else self.strides[i] // self.strides[i - 1]
            first = kind(self.channels[i - 1], width, stride, self.dilations[i - 1], self.dilations[i])
            dilation = self.dilations[i]
            others = [kind(self.channels[i], width, 1, dilation, dilation) for _ in range(count - 1)]
            stages.append(nn.Sequential(first, *others))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        draw_weights(self)

    def blocks(self, stage: int) -> Iterable[nn.Module]:
        if stage == 0:
            return (nn.Sequential(self.conv1, self.bn1, nn.ReLU(inplace=True)),)
        if stage == 1:
            return nn.MaxPool2d(3, 2, 1), *self.layer1
        return (self.layer2, self.layer3, self.layer4)[stage - 2]


def _conv(cin: int, cout: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, kernel, stride, dilation * (kernel // 2), dilation, bias=False)


def _shortcut(cin: int, cout: int, stride: int) -> nn.Sequential | None:
    """Return a 1x1 convolution and a norm, or None where size and channels stay."""
    return None if (cin, stride) == (cout, 1) else nn.Sequential(_conv(cin, cout, 1, stride), BatchNorm2d(cout))
