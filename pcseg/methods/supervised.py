"""The baseline: the network learns from the labeled voxels alone."""

from __future__ import annotations

from torch import Tensor, nn

from pcseg.feeding.batch import Batch
from pcseg.losses import segmentation_losses
from pcseg.methods.base import Method


class Supervised(Method):
    """Cross-entropy on the labeled voxels, plus Lovasz-softmax at weight ``lovasz``; IGNORE takes no part."""

    def __init__(self, network: nn.Module, lovasz: float = 0.0) -> None:
        super().__init__(network)
        self.lovasz = lovasz

    def losses(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        return segmentation_losses(self.predict(batch).logits, batch.labels, self.lovasz)
