"""The output of every network, 2D or 3D: one row per pixel, voxel or point, flattened over the batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Elements:
    """Scores and features of E elements (a pixel, a voxel or a point) of B samples.

    Shapes: ``logits`` (E, K); ``feats`` (E, C), the last features before the classifier; ``sample`` (E,) int64, the
    scene or image of each row; ``position`` (E, 2 or 3), pixels or meters; ``color`` (E, 3) in [0, 1], or None.
    ``outputs``: further outputs of the network by name, (E, ...) each, such as auxiliary logits or projections. Rows of
    one sample need not be contiguous.
    """

    logits: Tensor
    feats: Tensor
    sample: Tensor
    position: Tensor
    color: Tensor | None = None
    outputs: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def n_samples(self) -> int:
        """Number of samples B, taken as the largest ``sample`` plus one."""
        return int(self.sample.max()) + 1 if len(self.sample) else 0


def flatten_pixels(maps: Tensor) -> Tensor:
    """Return the rows (B * H * W, C) of maps (B, C, H, W), image by image and row by row."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)
