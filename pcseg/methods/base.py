"""What the training loop asks of a method, and nothing more."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from pcseg.elements import Elements
from pcseg.feeding.batch import Batch
from pcseg.sparse import SparseTensor


class Method(nn.Module):
    """A way to train ``network`` from a batch; the loop owns optimizer, logging and files.

    ``network`` maps a SparseTensor to Elements and holds nothing of the method: it alone is saved for inference.
    Labels come with the batch and are never changed.
    """

    network: Any  # an nn.Module; some methods also need its encode, decode and channels_at (see pcseg.networks)

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def losses(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Named scalars, already weighted, that the loop sums. ``progress`` in [0, 1] is the share of the stage done."""
        raise NotImplementedError

    def predict(self, batch: Batch) -> Elements:
        """One plain pass of the network, a row per voxel; the caller chooses eval mode and whether gradients are kept."""
        elements: Elements = self.network(sparse(batch), position=batch.position, color=batch.color)
        return elements

    def after_step(self, step: int) -> None:
        """Called after each optimizer step, for what is not learnt by gradient."""


def sparse(batch: Batch) -> SparseTensor:
    """The batch as the network takes it."""
    return SparseTensor(batch.feats, batch.coords)
