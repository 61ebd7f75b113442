"""The MinkUNet family: U-shaped residual networks of sparse convolutions (Choy et al., arXiv 1904.08755)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    SparseConv3d,
    SparseConvTranspose3d,
    make_maps,
    run,
)
from pcseg.sparse import SparseTensor
from pcseg.sparse.sizes import check_sizes

BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {"basic": BasicBlock, "bottleneck": Bottleneck}


class MinkUNet(nn.Module):
    """A stem, L halvings of resolution with residual blocks, L doublings with skips, and a linear classifier.

    ``channels`` and ``blocks`` list, for the L encoder and then the L decoder levels, the width and the number of
    residual blocks; ``stem_channels`` and ``stem_kernel`` describe the first convolution; ``norm`` is "batch" or
    "layer"; ``block`` is "basic" or "bottleneck" (four times the listed channels). Voxels may come in any order.
    With ``activation_checkpointing`` training takes less memory and a second forward pass, to the same bits.

    ``forward`` maps a SparseTensor (N, in_channels) of stride 1 to Elements of N rows in the same order: scores
    (N, n_classes) and the features (N, C) they are computed from. ``encode`` and ``decode`` are its two halves, cut at
    any stride. Raises InputError for sizes, a stride or channels that do not fit.
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
        """Return the number of feature channels of the encoder level at ``stride``."""
        self._check_stride(stride)
        return self._channels[stride]

    def encode(self, inputs: SparseTensor, stride: int | None = None) -> tuple[SparseTensor, ...]:
        """Return encoder levels of strides 1, 2, 4, ... up to ``stride`` (default: the bottleneck), finest first."""
        if inputs.stride != 1:
            raise InputError(f"stride={inputs.stride}: the network takes voxels of stride 1")
        if inputs.feats.shape[1] != self.in_channels:
            raise InputError(
                f"features have {inputs.feats.shape[1]} channels, the network takes {self.in_channels}; "
                "give the features it was built for"
            )
        self._check_stride(self.strides[-1] if stride is None else stride)
        stem = run(self.stem, inputs, self.activation_checkpointing)
        return self._deeper((stem,), self.strides[-1] if stride is None else stride)

    def decode(
        self, levels: Sequence[SparseTensor], position: Tensor | None = None, color: Tensor | None = None
    ) -> Elements:
        """Return the scores that follow from the levels of ``encode``, cut at any stride: runs the rest of the network.

        The features of the levels may have been replaced; those of the last level also feed the deeper levels.
        ``position`` (N, 3) and ``color`` (N, 3) are passed through; ``position`` defaults to the voxel coordinates.
        """
        *skips, x = self._deeper(tuple(levels), self.strides[-1])
        for up, merge in zip(self.up, self.merge, strict=True):
            x = run(up, x, self.activation_checkpointing)
            merged = x.replace(torch.cat([x.feats, skips.pop().feats], dim=1))
            x = run(merge, merged, self.activation_checkpointing)
        x, outputs = self._finish(x)
        if position is None:
            position = x.coords[:, 1:].float()
        return Elements(self.head(x.feats), x.feats, x.sample, position, color, outputs)

    def forward(self, inputs: SparseTensor, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        if torch.compiler.is_compiling():
            make_maps(inputs, self.stem, self.down, *chain(*zip(self.up, self.merge, strict=True)))
        return self.decode(self.encode(inputs), position, color)

    def _finish(self, x: SparseTensor) -> tuple[SparseTensor, dict[str, Tensor]]:
        """Return what the classifier reads, from the last level of the decoder, and further outputs by name."""
        return x, {}

    def _deeper(self, levels: tuple[SparseTensor, ...], stride: int) -> tuple[SparseTensor, ...]:
        while levels[-1].stride < stride:
            levels = (*levels, run(self.down[len(levels) - 1], levels[-1], self.activation_checkpointing))
        return levels

    def _check_stride(self, stride: int) -> None:
        if stride not in self.strides:
            raise InputError(f"stride={stride}: the network has strides {', '.join(map(str, self.strides))}")


def _blocks(block: str, cin: int, width: int, count: int, norm: str) -> list[nn.Module]:
    """Return ``count`` residual blocks of ``width`` channels; the first takes ``cin`` channels."""
    kind = BLOCKS[block]
    return [kind(cin if i == 0 else width * kind.expansion, width, norm) for i in range(count)]


@dataclass(frozen=True)
class Variant:
    """A row of the table below: constructs MinkUNets of given channels, blocks and stem (see :class:`MinkUNet`)."""

    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    stem_channels: int = 32

    def __call__(
        self, in_channels: int, n_classes: int, norm: str = "batch", activation_checkpointing: bool = False
    ) -> MinkUNet:
        """Return the network with fresh weights."""
        return MinkUNet(
            in_channels,
            n_classes,
            self.channels,
            self.blocks,
            norm,
            stem_channels=self.stem_channels,
            activation_checkpointing=activation_checkpointing,
        )


# The first three are MinkowskiEngine's (examples/minkunet.py); minkunet34c is the usual baseline of the field. The
# small one trains on a CPU: strides and stem kernel of the others, but narrower and shallower.
minkunet14a = Variant((32, 64, 128, 256, 128, 128, 96, 96), (1, 1, 1, 1, 1, 1, 1, 1))
minkunet18a = Variant((32, 64, 128, 256, 128, 128, 96, 96), (2, 2, 2, 2, 2, 2, 2, 2))
minkunet34c = Variant((32, 64, 128, 256, 256, 128, 96, 96), (2, 3, 4, 6, 2, 2, 2, 2))
minkunet_small = Variant((32, 48, 64, 96, 64, 48, 32, 32), (1, 1, 1, 1, 1, 1, 1, 1), stem_channels=16)
