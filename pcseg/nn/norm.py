"""Normalization of features, and holding its running statistics still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pcseg.errors import InputError
from pcseg.sparse.sizes import check_sizes


class BatchNorm(nn.BatchNorm1d):
    """Batch normalization of features (N, C), N counting all voxels of the batch; any N, also 0 and 1.

    While training, fewer than two rows have no variance: torch raises an error there. A crop so small that one voxel
    is left at the bottleneck should not end a run, so such rows are normalized by the running statistics, as at
    test time, and leave them as they are.
    """

    def forward(self, feats: Tensor) -> Tensor:
        if self.training and len(feats) < 2:
            # Copies, since the next batch writes over them, which would change the gradient of this one.
            mean, variance = (
                None if value is None else value.clone() for value in (self.running_mean, self.running_var)
            )
            return nn.functional.batch_norm(feats, mean, variance, self.weight, self.bias, training=False, eps=self.eps)
        return super().forward(feats)

    def affine_map(self) -> tuple[Tensor, Tensor] | None:
        """Scale and shift (C,): what the layer does in eval mode; None where the features decide that."""
        if self.training or self.running_mean is None or self.running_var is None or not self.affine:
            return None
        scale = self.weight / torch.sqrt(self.running_var + self.eps)
        return scale, self.bias - scale * self.running_mean


def make_norm(kind: str, channels: int) -> nn.Module:
    """A layer for features (N, C): "batch", over all voxels of the batch; "layer", over the channels of each voxel."""
    layers: dict[str, type[nn.Module]] = {"batch": BatchNorm, "layer": nn.LayerNorm}
    if kind not in layers:
        raise InputError(f"norm={kind}: must be one of {', '.join(layers)}")
    check_sizes(f"norm={kind}", channels=channels)
    return layers[kind](channels)


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Within, batch norms in training mode use the batch's own statistics but leave the running ones alone.

    For passes over features unlike those at test time, such as the reallocated branch of dense supervision
    propagation (arXiv 2107.11267): they are normalized as usual, gradients flow as usual, and what evaluation will
    normalize by keeps describing clean features. Layers in eval mode are unaffected. Restores what it found.
    """
    found = running_statistics(module)
    try:
        for layer, name, value in found:
            setattr(layer, name, value.clone())  # what a pass writes here is thrown away
        yield
    finally:
        for layer, name, value in found:
            setattr(layer, name, value)


def running_statistics(module: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """Layer, name and value of all that the batch norms of ``module`` keep from pass to pass."""
    layers = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    return [(layer, name, value) for layer in layers for name, value in layer.named_buffers(recurse=False)]
