"""The interface of image encoders: five stages, each half as fine as the one before, down to an output stride."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from pcseg.errors import InputError
from pcseg.nn.maps import run_maps
from pcseg.sparse.sizes import check_sizes

OUTPUT_STRIDES = (8, 16, 32)


class Encoder(nn.Module):
    """Five stages from images (B, in_channels, H, W) to maps (B, channels[i], H / strides[i], W / strides[i]).

    Sizes are rounded up. Stages halve the resolution down to ``output_stride``; those after it keep it, and their
    convolutions are dilated instead, so that weights and field of view stay those of stride 32 (atrous convolution,
    DeepLab, Chen et al., arXiv 1606.00915, section 3.1). The convolution that would have had the stride still has the
    dilation of the stage before: the output is that of stride 32, computed at all positions.

    A subclass sets ``channels``, has ``blocks`` and names its weights as published files do. ``unused`` begin the names
    of weights in such files that it has no use for, such as the classifier. Raises InputError for sizes that do not
    fit.
    """

    channels: tuple[int, ...]
    unused: tuple[str, ...]

    def __init__(self, in_channels: int, output_stride: int) -> None:
        super().__init__()
        check_sizes(type(self).__name__, in_channels=in_channels)
        if output_stride not in OUTPUT_STRIDES:
            raise InputError(f"output_stride={output_stride}: must be one of {', '.join(map(str, OUTPUT_STRIDES))}")
        self.strides = tuple(min(2**i, output_stride) for i in range(1, 6))
        self.dilations = tuple(2**i // stride for i, stride in enumerate(self.strides, start=1))

    def blocks(self, stage: int) -> Iterable[nn.Module]:
        """Return what is run in sequence in ``stage``, 0 to 4."""
        raise NotImplementedError

    def run_stage(self, stage: int, maps: Tensor, recompute: bool = False) -> Tensor:
        """Return the map of ``stage`` from that of the stage before, or from the images; ``recompute`` as in run."""
        for block in self.blocks(stage):
            maps = run_maps(block, maps, recompute)
        return maps

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of all stages."""
        maps: list[Tensor] = []
        for stage in range(len(self.strides)):
            maps.append(self.run_stage(stage, maps[-1] if maps else images))
        return tuple(maps)
