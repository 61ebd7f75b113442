"""EfficientNet-Lite0, an encoder that a CPU can train, with the names of the PyPI package efficientnet-lite-pytorch."""

from __future__ import annotations

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.networks.encoder import Encoder
from pcseg.nn.maps import BatchNorm2d, Conv2d, draw_weights

STAGES: tuple[tuple[tuple[int, int, int, int], ...], ...] = (
    ((16, 1, 3, 1),),
    ((24, 6, 3, 2),),
    ((40, 6, 5, 2),),
    ((80, 6, 3, 3), (112, 6, 5, 3)),
    ((192, 6, 5, 4), (320, 6, 3, 1)),
)
"""Output channels, expansion, kernel and number of the blocks of each stage (Tan and Le, arXiv 1905.11946, Table 1)."""


class SameConv2d(Conv2d):
    """A convolution without bias whose output has the size of the input divided by the stride, rounded up.

    At stride 2 it pads as TensorFlow does for even sizes, at the top left one pixel less than at the bottom right;
    for odd sizes there is one more at the bottom right, so that the same weights see the same pixels at every size.
    """

    def __init__(self, cin: int, cout: int, kernel: int = 1, stride: int = 1, dilation: int = 1, groups: int = 1):
        padding = dilation * (kernel // 2) if stride == 1 else 0
        super().__init__(cin, cout, kernel, stride, padding, dilation, groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        if self.stride[0] == 1:
            return super().forward(input)
        reach = self.dilation[0] * (self.kernel_size[0] - 1)
        height, width = input.shape[2:]
        first = (reach - 1) // 2
        last = reach - 1 - first
        return super().forward(F.pad(input, (first, last + width % 2, first, last + height % 2)))


class InvertedResidual(nn.Module):
    """1x1 convolution to ``expansion`` times the channels, k x k of each channel, 1x1 to ``cout``, and a shortcut.

    The block of MobileNetV2 (Sandler et al., arXiv 1801.04381), with a shortcut where the channels stay. It is that of
    EfficientNet without squeeze-and-excitation, and with ReLU6 for swish.
    """

    def __init__(self, cin: int, cout: int, expansion: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        width = cin * expansion
        self._expand_conv = self._bn0 = None
        if expansion > 1:
            self._expand_conv, self._bn0 = SameConv2d(cin, width), _norm(width)
        self._depthwise_conv = SameConv2d(width, width, kernel, stride, dilation, groups=width)
        self._bn1 = _norm(width)
        self._project_conv = SameConv2d(width, cout)
        self._bn2 = _norm(cout)
        self.shortcut = cin == cout  # never where there is a stride: the first block of a row changes the channels

    def forward(self, maps: Tensor) -> Tensor:
        inner = maps
        if self._expand_conv is not None and self._bn0 is not None:
            inner = F.hardtanh(self._bn0(self._expand_conv(inner)), 0.0, 6.0)  # in place it would copy first
        inner = F.hardtanh(self._bn1(self._depthwise_conv(inner)), 0.0, 6.0)
        inner = self._bn2(self._project_conv(inner))
        return inner + maps if self.shortcut else inner


class EfficientNetLite0(Encoder):
    """EfficientNet-Lite0 without the last 1x1 convolution and the classifier: see :class:`Encoder`.

    Blocks are not dropped at random in training.
    """

    unused = ("_conv_head.", "_bn1.", "_fc.")
    channels = tuple(stage[-1][0] for stage in STAGES)

    def __init__(self, in_channels: int = 3, output_stride: int = 32) -> None:
        super().__init__(in_channels, output_stride)
        self._conv_stem = SameConv2d(in_channels, 32, 3, 2)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList()
        self._ends = [0]
        cin = 32
        for i, stage in enumerate(STAGES):
            # The stride of the first stage is that of the stem.
            stride = self.strides[i] // self.strides[i - 1] if i else 1
            dilation = self.dilations[max(i - 1, 0)]
            for cout, expansion, kernel, count in stage:
                for _ in range(count):
                    self._blocks.append(InvertedResidual(cin, cout, expansion, kernel, stride, dilation))
                    cin, stride, dilation = cout, 1, self.dilations[i]
            self._ends.append(len(self._blocks))
        draw_weights(self)

    def blocks(self, stage: int) -> Iterable[nn.Module]:
        blocks = self._blocks[self._ends[stage] : self._ends[stage + 1]]
        stem = nn.Sequential(self._conv_stem, self._bn0, nn.ReLU6())
        return blocks if stage else (stem, *blocks)


def _norm(channels: int) -> BatchNorm2d:
    """The decay of 0.99 and the epsilon of the published weights."""
    return BatchNorm2d(channels, eps=1e-3, momentum=0.01)
