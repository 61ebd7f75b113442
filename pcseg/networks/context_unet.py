"""MinkUNets that see more of the scene: with object context, with dilated convolutions, or with axial attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from pcseg.checks import one_of
from pcseg.errors import InputError
from pcseg.networks.unet import MinkUNet, minkunet14a, minkunet18a, minkunet34c, minkunet_small
from pcseg.nn import Blocks, ObjectContext, SparseASPP, SparseAxialBlock, run
from pcseg.sparse import SparseTensor

VARIANTS = {
    "minkunet14a": minkunet14a,
    "minkunet18a": minkunet18a,
    "minkunet34c": minkunet34c,
    "minkunet_small": minkunet_small,
}


class _NamedUNet(MinkUNet):
    """The MinkUNet of a variant, by name; its weights have the names they have there."""

    def __init__(
        self, in_channels: int, n_classes: int, variant: str, norm: str, activation_checkpointing: bool
    ) -> None:
        one_of("variant", variant, VARIANTS)
        body = VARIANTS[variant]
        super().__init__(
            in_channels,
            n_classes,
            body.channels,
            body.blocks,
            norm,
            stem_channels=body.stem_channels,
            activation_checkpointing=activation_checkpointing,
        )

    def _append(self, stride: int, make: Callable[[int], nn.Module]) -> None:
        """Append the layer ``make(channels)`` to the encoder level at ``stride``, 0 for the coarsest."""
        stride = stride or self.strides[-1]
        if stride not in self.strides[1:]:
            coarse = ", ".join(map(str, self.strides[1:]))
            raise InputError(f"stride={stride}: must be one of {coarse}, or 0 for the last of them")
        blocks = self.down[self.strides.index(stride) - 1]
        assert isinstance(blocks, Blocks)
        blocks.append(make(self.channels_at(stride)))


class MinkUNetOCR(_NamedUNet):
    """A MinkUNet whose classifier also sees the object regions of the scan (OCR, Yuan et al., arXiv 1909.11065).

    The last features of the decoder, and auxiliary scores made of them by a linear map, go through
    :class:`pcseg.nn.ObjectContext`: regions are as fine as the scores that are asked for, and labels need no resizing.
    ``outputs["aux"]`` (N, n_classes) are the auxiliary scores, which want a loss of their own (weight 0.4 in the
    paper). Without dropout a network cut at a stride is the same network. ``variant`` is a name of ``VARIANTS``; see
    :class:`MinkUNet` for the rest.
    """

    head: _Classifier

    def __init__(
        self,
        in_channels: int,
        n_classes: int,
        variant: str = "minkunet_small",
        norm: str = "batch",
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__(in_channels, n_classes, variant, norm, activation_checkpointing)
        channels = self.head.in_features
        self.head = _Classifier(channels, n_classes)
        self.context = _SparseObjectContext(channels, n_classes, norm)

    def _finish(self, x: SparseTensor) -> tuple[SparseTensor, dict[str, Tensor]]:
        scores = self.head.aux(x.feats)
        both = x.replace(torch.cat([x.feats, scores], dim=1))
        return run(self.context, both, self.activation_checkpointing), {"aux": scores}


class MinkUNetASPP(_NamedUNet):
    """A MinkUNet with parallel dilated convolutions (:class:`pcseg.nn.SparseASPP`) behind one level of its encoder.

    ``stride`` is that of the level, 0 for the coarsest; ``rates`` are dilations in its voxels. The usual ones reach 0.6
    to 2.6 m in voxels of 4 cm at stride 16: a tenth to four tenths of a room of 6 m, as rates 6 to 24 reach of the maps
    of 64 pixels in DeepLab v2 (arXiv 1606.00915). ``variant`` is a name of ``VARIANTS``; see :class:`MinkUNet` for the
    rest. Raises InputError for a stride without a level or below 2.
    """

    def __init__(
        self,
        in_channels: int,
        n_classes: int,
        variant: str = "minkunet_small",
        rates: Sequence[int] = (1, 2, 3, 4),
        stride: int = 0,
        norm: str = "batch",
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__(in_channels, n_classes, variant, norm, activation_checkpointing)
        self._append(stride, lambda channels: SparseASPP(channels, rates, norm))


class MinkUNetAxial(_NamedUNet):
    """A MinkUNet with axial attention (:class:`pcseg.nn.SparseAxialBlock`) behind one level of its encoder.

    ``stride`` is that of the level, 0 for the coarsest. ``heads`` heads have ``key_channels`` channels in their keys.
    ``variant`` is a name of ``VARIANTS``; see :class:`MinkUNet` for the rest. Raises InputError for a stride without a
    level or below 2.
    """

    def __init__(
        self,
        in_channels: int,
        n_classes: int,
        variant: str = "minkunet_small",
        heads: int = 4,
        key_channels: int = 8,
        stride: int = 0,
        norm: str = "batch",
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__(in_channels, n_classes, variant, norm, activation_checkpointing)
        self._append(stride, lambda channels: SparseAxialBlock(channels, heads, key_channels, norm))


class _Classifier(nn.Linear):
    """A linear map to scores, and ``aux``, another one: in the head, where checkpoints look for weights of classes."""

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__(channels, n_classes)
        self.aux = nn.Linear(channels, n_classes)


class _SparseObjectContext(nn.Module):
    """Object context of voxels whose features and scores are given side by side, (N, C + K), in one tensor."""

    def __init__(self, channels: int, n_classes: int, norm: str) -> None:
        super().__init__()
        self.sizes = [channels, n_classes]
        self.objects = ObjectContext(channels, n_classes, dropout=0.0, norm=norm)

    def forward(self, x: SparseTensor) -> SparseTensor:
        feats, scores = x.feats.split(self.sizes, dim=1)
        return x.replace(self.objects(feats, scores, x.sample, x.n_samples))
