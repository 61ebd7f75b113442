"""A convolution whose every output sees a random part of its surroundings, and always its center."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pcseg import ops
from pcseg.errors import InputError
from pcseg.nn.levels import Level, rows_of
from pcseg.sparse import KernelMap, SparseTensor
from pcseg.sparse.sizes import check_sizes


class FickleConv(nn.Module):
    """Center-fixed dropout before a convolution (FickleNet, arXiv 1902.10421), on pixels or voxels.

    Each pair of an output and an input other than its center is dropped with probability ``drop``, for all channels at
    once and anew in each pass, in eval mode too; those that are kept count 1 / (1 - ``drop``) times, so that the mean
    over passes is the plain convolution. Dropping pairs of the kernel map needs no copies of the input that do not
    overlap, and the time falls with the pairs.

    ``weight`` (O, cin, cout) with O = kernel^2 offsets of pixels, row by row, or kernel^3 of voxels in the order of
    :func:`pcseg.sparse.kernel_offsets`; ``bias`` (cout,). ``kernel`` is odd. Raises InputError for values out of range.
    """

    def __init__(self, pixels: bool, cin: int, cout: int, kernel: int = 9, drop: float = 0.9) -> None:
        super().__init__()
        check_sizes("FickleConv", cin=cin, cout=cout, kernel=kernel)
        if kernel % 2 == 0:
            raise InputError(f"kernel={kernel}: has no center; give an odd number")
        if not 0 <= drop < 1:
            raise InputError(f"drop={drop:g}: give a share of at least 0 and below 1")
        self.kernel, self.drop = kernel, drop
        offsets = kernel ** (2 if pixels else 3)
        self.weight = nn.Parameter(torch.empty(offsets, cin, cout))
        self.bias = nn.Parameter(torch.zeros(cout))
        nn.init.normal_(self.weight, std=math.sqrt(2 / (cin * offsets)))

    def forward(self, level: Level, whole: KernelMap | None = None) -> Tensor:
        """Return the outputs (N, cout) of the rows of a level (N, cin); ``whole``: its kernel map, if at hand."""
        kept = self.drawn(whole or kernel_pairs(level, self.kernel))
        back = inverted(kept)
        out = ops.sparse_conv(
            rows_of(level), self.scaled(), kept.pairs, kept.starts, kept.n_out, back.pairs, back.starts
        )
        return out + self.bias.to(out.dtype)

    @torch.no_grad()
    def given(self, level: Level, whole: KernelMap | None = None) -> Tensor:
        """Return how much each row gives to the sum of all outputs (N, cout), in a pass of its own; no gradient.

        That is sum_c x_c dS_k/dx_c with S_k the sum of output k, without the bias: Grad-CAM of FickleNet, in which
        gradients are not averaged over the sample first.
        """
        kept = self.drawn(whole or kernel_pairs(level, self.kernel))
        source = inverted(kept).pairs[1]
        return ops.sparse_conv(rows_of(level), self.scaled(), torch.stack([source, source]), kept.starts, kept.n_in)

    def drawn(self, whole: KernelMap) -> KernelMap:
        """Return the pairs of a map that are kept, drawn from the global generator of its device."""
        keep = torch.rand(whole.pairs.shape[1], device=whole.pairs.device) >= self.drop
        center = len(whole.starts) // 2 - 1  # of O offsets, O odd and O + 1 starts
        keep[whole.starts[center] : whole.starts[center + 1]] = True
        before = torch.nn.functional.pad(keep.cumsum(0), (1, 0)).cpu()
        return KernelMap(whole.pairs[:, keep], before[whole.starts], whole.n_in, whole.n_out)

    def scaled(self) -> Tensor:
        """The weight, of which all but the center counts 1 / (1 - ``drop``) times."""
        scale = torch.full_like(self.weight[:, :1, :1], 1 / (1 - self.drop))
        scale[len(scale) // 2] = 1
        return self.weight * scale


def kernel_pairs(level: Level, kernel: int) -> KernelMap:
    """Return the kernel map of a convolution of an odd ``kernel`` that keeps the rows of a level: voxels or pixels."""
    if isinstance(level, SparseTensor):
        return level.maps.kernel_map(level.stride, level.stride, kernel)
    count, _, height, width = level.shape
    reach = torch.arange(kernel, device=level.device) - kernel // 2
    down, right = (steps.reshape(-1, 1) for steps in torch.meshgrid(reach, reach, indexing="ij"))
    number = torch.arange(count * height * width, device=level.device)
    row, column = number // width % height + down, number % width + right
    there = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    target = number.expand_as(there)[there]
    source = (number + down * width + right)[there]
    starts = torch.nn.functional.pad(there.sum(dim=1).cumsum(0), (1, 0)).cpu()
    return KernelMap(torch.stack([source, target]).int(), starts, len(number), len(number))


def inverted(of: KernelMap) -> KernelMap:
    """Return ``of.transposed``, all offsets at once: a kernel of 9^3 has many, with few pairs each."""
    group = torch.repeat_interleave(of.starts.diff().to(of.pairs.device), output_size=of.pairs.shape[1])
    order = (group * of.n_in + of.pairs[0]).argsort()
    return KernelMap(of.pairs.flip(0)[:, order], of.starts, of.n_out, of.n_in)
