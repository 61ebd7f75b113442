"""A network of images made of an encoder, a decoder and a classifier; it can be cut at any stride of the encoder."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pcseg.elements import Elements, pixel_elements
from pcseg.errors import InputError
from pcseg.networks.encoder import Encoder
from pcseg.networks.pretrained import load_pretrained


class ImageNetwork(nn.Module):
    """Images (B, in_channels, H, W) of any size to the Elements of B * H * W pixels, image by image and row by row.

    ``decoder(maps, head, recompute)`` returns features (B, C, h, w) and further outputs by name from the maps of all
    stages of ``encoder``; ``head``, a 1x1 convolution, turns the features into scores, which are resized to the images.
    All weights with a row for each class are in the head, where checkpoints look for them.

    ``encode`` and ``decode`` are its two halves, cut at a stride: the level of stride 1 are the images, that of another
    stride is the map of the first stage of the encoder that has it. Dilated stages after it run in ``decode``.
    """

    def __init__(
        self, in_channels: int, encoder: Encoder, decoder: nn.Module, head: nn.Conv2d, activation_checkpointing: bool
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.activation_checkpointing = activation_checkpointing
        self.encoder, self.decoder, self.head = encoder, decoder, head
        self.strides = (1, *dict.fromkeys(encoder.strides))
        self._channels = dict(zip(self.strides, (in_channels, *encoder.channels), strict=False))

    def load_backbone(self, path: str | os.PathLike[str]) -> None:
        """Load the weights of the encoder from a file (:func:`pcseg.networks.pretrained.load_pretrained`)."""
        load_pretrained(self.encoder, path)

    def channels_at(self, stride: int) -> int:
        """Return the number of feature channels of the level at ``stride``; at stride 1 those of the images."""
        self._check_stride(stride)
        return self._channels[stride]

    def encode(self, inputs: Tensor, stride: int | None = None) -> tuple[Tensor, ...]:
        """Return images and maps of strides 2, 4, ... up to ``stride`` (default: the coarsest), finest first."""
        if inputs.dim() != 4 or inputs.shape[1] != self.in_channels:
            raise InputError(
                f"images of shape {tuple(inputs.shape)}: the network takes (B, {self.in_channels}, H, W); give the "
                "channels it was built for"
            )
        stride = self.strides[-1] if stride is None else stride
        self._check_stride(stride)
        return self._deeper((inputs,), self.strides.index(stride))

    def decode(self, levels: Sequence[Tensor], position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        """Return the scores that follow from the levels of ``encode``, cut at any stride: runs the rest of the network.

        The maps of the levels may have been replaced; that of the last level also feeds the deeper levels.
        ``position`` (E, 2) and ``color`` (E, 3) are passed through; ``position`` defaults to row and column.
        """
        images, *maps = self._deeper(tuple(levels), len(self.encoder.strides))
        feats, outputs = self.decoder(maps, self.head, self.activation_checkpointing)
        height, width = images.shape[2:]
        return pixel_elements(self.head(feats), feats, (height, width), position, color, outputs)

    def forward(self, inputs: Tensor, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        return self.decode(self.encode(inputs), position, color)

    def _deeper(self, levels: tuple[Tensor, ...], stages: int) -> tuple[Tensor, ...]:
        """Return the levels with the maps of the first ``stages`` stages, of which they may have some."""
        while len(levels) <= stages:
            maps = levels[-1].contiguous(memory_format=torch.channels_last)  # faster on a CPU than channels first
            levels = (*levels, self.encoder.run_stage(len(levels) - 1, maps, self.activation_checkpointing))
        return levels

    def _check_stride(self, stride: int) -> None:
        if stride not in self.strides:
            raise InputError(f"stride={stride}: the network has strides {', '.join(map(str, self.strides))}")
