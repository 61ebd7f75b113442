"""DeepLab: segmentation of images by an encoder of atrous convolutions and one of four heads."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pcseg.elements import Elements, pixel_elements
from pcseg.errors import InputError
from pcseg.networks.backbones import make_encoder
from pcseg.networks.decoders import Classifier, make_decoder
from pcseg.networks.pretrained import load_pretrained
from pcseg.nn.maps import draw_weights
from pcseg.sparse.sizes import check_sizes


class DeepLab(nn.Module):
    """An encoder ``backbone`` whose last stages are dilated, a decoder ``head``, and a 1x1 convolution to scores.

    ``backbone``: "efficientnet_lite0", which a CPU can train, "resnet18", "resnet50" or "resnet101". ``head``: "v3plus"
    (Chen et al., arXiv 1802.02611), "ocr" (Yuan et al., arXiv 1909.11065), or those of DeepLab v2 (arXiv 1606.00915),
    "largefov" and "aspp", whose rates are meant for ``output_stride`` 8. The encoder keeps that stride: 8, 16 or 32.
    ``width`` is that of the decoder's layers; None: the usual one of the backbone. With ``activation_checkpointing``
    training takes less memory and a second forward pass, to the same bits.

    ``forward`` maps images (B, in_channels, H, W) of any size to Elements of B * H * W pixels, image by image and row
    by row: scores (E, n_classes), features (E, C), and with "ocr" ``outputs["aux"]`` (E, n_classes), auxiliary scores
    that want a loss of their own (weight 0.4 in the paper). Scores are computed at stride 4 ("v3plus") or at the output
    stride, and resized.

    ``encode`` and ``decode`` are its two halves, cut at a stride: the level of stride 1 are the images, that of another
    stride is the map of the first stage of the encoder that has it. Dilated stages after it run in ``decode``. Raises
    InputError for sizes, a stride or channels that do not fit.
    """

    def __init__(
        self,
        in_channels: int,
        n_classes: int,
        backbone: str = "efficientnet_lite0",
        head: str = "v3plus",
        output_stride: int = 16,
        width: int | None = None,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.activation_checkpointing = activation_checkpointing
        self.encoder, usual = make_encoder(backbone, in_channels, output_stride)
        channels, width = self.encoder.channels, usual if width is None else width
        check_sizes("DeepLab", n_classes=n_classes, width=width)
        self.decoder = make_decoder(head, channels, width, output_stride, n_classes)
        self.head = Classifier(self.decoder.channels, self.decoder.aux_channels, n_classes)
        self.strides = (1, *dict.fromkeys(self.encoder.strides))
        self._channels = dict(zip(self.strides, (in_channels, *channels), strict=False))
        draw_weights(self.decoder)

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
            # With channels innermost a step of the lite network takes 0.5 s of one CPU core, else 0.65 s.
            maps = levels[-1].contiguous(memory_format=torch.channels_last)
            levels = (*levels, self.encoder.run_stage(len(levels) - 1, maps, self.activation_checkpointing))
        return levels

    def _check_stride(self, stride: int) -> None:
        if stride not in self.strides:
            raise InputError(f"stride={stride}: the network has strides {', '.join(map(str, self.strides))}")
