"""Layers of image networks, from maps (B, C, H, W) to maps: batch norm, convolutions with norm, recomputation."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from pcseg.elements import flatten_pixels
from pcseg.nn.norm import BatchNorm
from pcseg.nn.recompute import _StatisticsOfFirstPass
from pcseg.ops.depthwise import depthwise_conv, own_gradient


class BatchNorm2d(BatchNorm):
    """Batch normalization of maps (B, C, H, W) over all B * H * W pixels of the batch, of which there may be 0 or 1.

    A mean over one image in a batch of one leaves a single pixel, for which torch raises an error in training. As in
    :class:`pcseg.nn.BatchNorm`, fewer than two are normalized by the running statistics and do not update them.
    """

    def forward(self, maps: Tensor) -> Tensor:
        if self.training and maps.numel() < 2 * self.num_features:
            return super().forward(flatten_pixels(maps)).view(maps.shape)
        return _BatchNorm.forward(self, maps)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"maps of shape {tuple(input.shape)}; give (B, C, H, W)")


class Conv2d(nn.Conv2d):
    """torch's convolution of maps; where each channel has its own kernel, :func:`pcseg.ops.depthwise_conv`."""

    def forward(self, input: Tensor) -> Tensor:
        alone = self.groups == self.in_channels == self.out_channels and self.padding_mode == "zeros"
        place = (self.stride, self.padding, self.dilation)
        square = not any(isinstance(pair, str) or pair[0] != pair[1] for pair in place)
        if not (alone and square and own_gradient(input, self.weight)):
            return super().forward(input)
        stride, padding, dilation = (int(pair[0]) for pair in place)
        out = depthwise_conv(input, self.weight, stride, padding, dilation)
        return out if self.bias is None else out + self.bias[:, None, None]


class ConvNormReLU2d(nn.Module):
    """A convolution without bias that keeps the size of the map, a batch norm and a ReLU.

    ``kernel`` is odd; ``dilation`` is the rate r of atrous convolution, which reaches r * (kernel - 1) / 2 pixels.
    """

    def __init__(self, cin: int, cout: int, kernel: int = 1, dilation: int = 1, groups: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = Conv2d(cin, cout, kernel, 1, padding, dilation, groups, bias=False)
        self.norm = BatchNorm2d(cout)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu_(self.norm(self.conv(maps)))


def separable(cin: int, cout: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Return a convolution of each channel on its own, then one of single pixels, with a norm and a ReLU after each.

    The atrous separable convolution of DeepLabv3+ (Chen et al., arXiv 1802.02611, section 3.1).
    """
    return nn.Sequential(ConvNormReLU2d(cin, cin, kernel, dilation, groups=cin), ConvNormReLU2d(cin, cout))


def draw_weights(network: nn.Module) -> None:
    """Draw the weights of all 2D convolutions for ReLUs, by the number of outputs an input reaches; biases become 0.

    Normal of variance 2 / (kernel area * outputs / groups) (He et al., arXiv 1502.01852, Eq. 14).
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            fan = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels // layer.groups
            nn.init.normal_(layer.weight, 0.0, (2.0 / fan) ** 0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def run_maps(part: nn.Module, maps: Tensor, recompute: bool) -> Tensor:
    """Return ``part(maps)``; with ``recompute`` and where gradients are enabled, with activation checkpointing.

    The counterpart of :func:`pcseg.nn.run`: outputs and gradients have the same bits, and the second pass does not
    update the running statistics of batch norms.
    """
    out: Tensor = _recomputed(part, maps) if recompute and torch.is_grad_enabled() else part(maps)
    return out


@torch.compiler.disable  # as in recompute.py: dynamo does not support context_fn
def _recomputed(part: nn.Module, maps: Tensor) -> Tensor:
    out: Tensor = checkpoint(
        part, maps, use_reentrant=False, context_fn=lambda: (nullcontext(), _StatisticsOfFirstPass(part))
    )
    return out
