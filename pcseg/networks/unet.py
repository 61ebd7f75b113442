"""The MinkUNet family: U-shaped residual networks of sparse convolutions (Choy et al., arXiv 1904.08755)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from pcseg.elements import Elements
from pcseg.errors import InputError
from pcseg.nn import (
    BasicBlock,
    Blocks,
    Bottleneck,
    ConvNormReLU,
    SparseConv,
    SparseConv3d,
    SparseConvTranspose3d,
    recomputed,
)
from pcseg.sparse import SparseTensor
from pcseg.sparse.sizes import check_sizes

BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {"basic": BasicBlock, "bottleneck": Bottleneck}


class MinkUNet(nn.Module):
    """A stem, L halvings of resolution with residual blocks, L doublings with skips, and a linear classifier.

    ``channels`` and ``blocks`` list, for the L encoder and then the L decoder levels, the width and the number of
    residual blocks; ``stem_channels`` and ``stem_kernel`` describe the first convolution; ``norm`` is "batch" or
    "layer"; ``block`` is "basic" or "bottleneck" (four times the listed channels). Voxels may come in any order.
    With ``activation_checkpointing`` training takes less memory and a second forward pass, and comes to the same bits.

    forward: SparseTensor (N, in_channels) of stride 1 to Elements of N rows in the same order, scores (N, n_classes)
    and the features (N, C) they are computed from. ``encode`` and ``decode`` are its two halves, cut at any stride.
    """

    def __init__(
        self,
        in_channels: int,
        n_classes: int,
        channels: Sequence[int] = (32, 64, 128, 256, 128, 128, 96, 96),
        blocks: Sequence[int] = (2, 2, 2, 2, 2, 2, 2, 2),
        norm: str = "batch",
        block: str = "basic",
        stem_channels: int = 32,
        stem_kernel: int = 5,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if len(channels) != len(blocks) or not channels or len(channels) % 2:
            found = f"{len(channels)} channels and {len(blocks)} blocks"
            raise InputError(f"channels, blocks: {found}; list both for each encoder and decoder level (2 L numbers)")
        if block not in BLOCKS:
            raise InputError(f"block={block}: must be one of {', '.join(BLOCKS)}")
        sizes = {"stem_channels": stem_channels, "stem_kernel": stem_kernel}
        check_sizes("MinkUNet", in_channels=in_channels, n_classes=n_classes, **sizes)
        for level, (width, count) in enumerate(zip(channels, blocks, strict=True)):
            check_sizes(f"MinkUNet, level {level}", channels=width, blocks=count)
        depth, expansion = len(channels) // 2, BLOCKS[block].expansion
        self.in_channels = in_channels
        self.activation_checkpointing = activation_checkpointing
        self.strides = tuple(2**i for i in range(depth + 1))
        skips = [stem_channels, *(expansion * width for width in channels[:depth])]
        self._channels = dict(zip(self.strides, skips, strict=True))

        self.stem = ConvNormReLU(SparseConv3d(in_channels, stem_channels, stem_kernel), stem_channels, norm)
        self.down = nn.ModuleList()
        for i in range(depth):
            halve = ConvNormReLU(SparseConv3d(skips[i], skips[i], 2, stride=2), skips[i], norm)
            self.down.append(Blocks(halve, *_blocks(block, skips[i], channels[i], blocks[i], norm)))
        self.up, self.merge = nn.ModuleList(), nn.ModuleList()
        coming = skips[-1]
        for i in range(depth, 2 * depth):
            width, skip = channels[i], skips[2 * depth - 1 - i]
            self.up.append(ConvNormReLU(SparseConvTranspose3d(coming, width, 2, stride=2), width, norm))
            self.merge.append(Blocks(*_blocks(block, width + skip, width, blocks[i], norm)))
            coming = expansion * width
        self.head = nn.Linear(coming, n_classes)

    def channels_at(self, stride: int) -> int:
        """Number of feature channels of the encoder level at ``stride``."""
        self._check_stride(stride)
        return self._channels[stride]

    def encode(self, x: SparseTensor, stride: int | None = None) -> tuple[SparseTensor, ...]:
        """Encoder levels of strides 1, 2, 4, ... up to ``stride`` (default: the bottleneck), finest first."""
        if x.stride != 1:
            raise InputError(f"stride={x.stride}: the network takes voxels of stride 1")
        if x.feats.shape[1] != self.in_channels:
            raise InputError(
                f"features have {x.feats.shape[1]} channels, the network takes {self.in_channels}; "
                "give the features it was built for"
            )
        self._check_stride(self.strides[-1] if stride is None else stride)
        return self._deeper((self._run(self.stem, x),), self.strides[-1] if stride is None else stride)

    def decode(
        self, levels: Sequence[SparseTensor], position: Tensor | None = None, color: Tensor | None = None
    ) -> Elements:
        """From ``encode``'s levels, cut at any stride, to the scores: what is left of the encoder, then the decoder.

        The features of the levels may have been replaced; those of the last one also feed the deeper levels.
        ``position`` (N, 3) and ``color`` (N, 3) are passed through; ``position`` defaults to the voxel coordinates.
        """
        *skips, x = self._deeper(tuple(levels), self.strides[-1])
        for up, merge in zip(self.up, self.merge, strict=True):
            x = self._run(up, x)
            x = self._run(merge, x.replace(torch.cat([x.feats, skips.pop().feats], dim=1)))
        if position is None:
            position = x.coords[:, 1:].float()
        return Elements(self.head(x.feats), x.feats, x.sample, position, color)

    def forward(self, x: SparseTensor, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        if torch.compiler.is_compiling():
            self._make_maps(x)
        return self.decode(self.encode(x), position, color)

    def _deeper(self, levels: tuple[SparseTensor, ...], stride: int) -> tuple[SparseTensor, ...]:
        while levels[-1].stride < stride:
            levels = (*levels, self._run(self.down[len(levels) - 1], levels[-1]))
        return levels

    @torch.compiler.disable
    def _make_maps(self, x: SparseTensor) -> None:
        """All kernel maps at once: asked for one by one, each would end a graph of torch.compile."""
        for part in (self.stem, *self.down, *chain(*zip(self.up, self.merge, strict=True))):
            for conv in part.modules():
                if isinstance(conv, SparseConv):
                    stride = conv.maps(x)[0]
                    feats = x.feats.new_empty(len(x.maps.coords(stride)), 0, requires_grad=torch.is_grad_enabled())
                    x = x.at(stride, feats)

    def _run(self, part: nn.Module, x: SparseTensor) -> SparseTensor:
        recompute = self.activation_checkpointing and torch.is_grad_enabled()
        out: SparseTensor
        if isinstance(part, Blocks):
            out = part(x, recompute)
        else:
            out = recomputed(part, x) if recompute else part(x)
        return out

    def _check_stride(self, stride: int) -> None:
        if stride not in self.strides:
            raise InputError(f"stride={stride}: the network has strides {', '.join(map(str, self.strides))}")


def _blocks(block: str, cin: int, width: int, count: int, norm: str) -> list[nn.Module]:
    """``count`` residual blocks, the first of which takes ``cin`` channels."""
    kind = BLOCKS[block]
    return [kind(cin if i == 0 else width * kind.expansion, width, norm) for i in range(count)]


def minkunet14a(
    in_channels: int, n_classes: int, norm: str = "batch", activation_checkpointing: bool = False
) -> MinkUNet:
    """MinkowskiEngine's MinkUNet14A: one block a level."""
    return MinkUNet(
        in_channels,
        n_classes,
        (32, 64, 128, 256, 128, 128, 96, 96),
        (1,) * 8,
        norm,
        activation_checkpointing=activation_checkpointing,
    )


def minkunet18a(
    in_channels: int, n_classes: int, norm: str = "batch", activation_checkpointing: bool = False
) -> MinkUNet:
    """MinkowskiEngine's MinkUNet18A: two blocks a level."""
    return MinkUNet(
        in_channels,
        n_classes,
        (32, 64, 128, 256, 128, 128, 96, 96),
        (2,) * 8,
        norm,
        activation_checkpointing=activation_checkpointing,
    )


def minkunet34c(
    in_channels: int, n_classes: int, norm: str = "batch", activation_checkpointing: bool = False
) -> MinkUNet:
    """MinkowskiEngine's MinkUNet34C, the field's usual baseline."""
    return MinkUNet(
        in_channels,
        n_classes,
        (32, 64, 128, 256, 256, 128, 96, 96),
        (2, 3, 4, 6, 2, 2, 2, 2),
        norm,
        activation_checkpointing=activation_checkpointing,
    )


def minkunet_small(
    in_channels: int, n_classes: int, norm: str = "batch", activation_checkpointing: bool = False
) -> MinkUNet:
    """A MinkUNet that trains on a CPU: the strides and stem of its relatives, but narrower and shallower."""
    channels = (32, 48, 64, 96, 64, 48, 32, 32)
    return MinkUNet(
        in_channels,
        n_classes,
        channels,
        (1,) * 8,
        norm,
        stem_channels=16,
        activation_checkpointing=activation_checkpointing,
    )
