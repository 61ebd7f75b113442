"""Normalization of features, and a context that keeps its running statistics unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pcseg.checks import one_of
from pcseg.errors import InputError
from pcseg.sparse.sizes import check_sizes

STATISTICS = ("batch", "running")
"""What batch norms may normalize by while pseudo labels are made."""


class BatchNorm(nn.BatchNorm1d):
    """Batch normalization of features (N, C) over all N voxels of the batch; any N, also 0 and 1.

    Fewer than two rows have no variance, for which torch raises an error in training. A crop so small that one voxel
    remains at the bottleneck should not end a run: such rows are normalized by the running statistics, as at test time,
    and do not update them.
    """

    def forward(self, feats: Tensor) -> Tensor:
        if self.training and len(feats) < 2:
            # Copies: the next batch overwrites the statistics, which would change the gradient of this one.
            mean, variance = (
                None if value is None else value.clone() for value in (self.running_mean, self.running_var)
            )
            return nn.functional.batch_norm(feats, mean, variance, self.weight, self.bias, training=False, eps=self.eps)
        return super().forward(feats)

    def affine_map(self) -> tuple[Tensor, Tensor] | None:
        """Return scale and shift (C,) of the layer in eval mode; None where they depend on the features."""
        if self.training or self.running_mean is None or self.running_var is None or not self.affine:
            return None
        scale = self.weight / torch.sqrt(self.running_var + self.eps)
        return scale, self.bias - scale * self.running_mean


def make_norm(kind: str, channels: int) -> nn.Module:
    """Return a norm of features (N, C): "batch" over all voxels of the batch, "layer" over the channels of each voxel.

    Raises InputError for another ``kind`` or ``channels`` below 1.
    """
    layers: dict[str, type[nn.Module]] = {"batch": BatchNorm, "layer": nn.LayerNorm}
    if kind not in layers:
        raise InputError(f"norm={kind}: must be one of {', '.join(layers)}")
    check_sizes(f"norm={kind}", channels=channels)
    return layers[kind](channels)


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Context in which batch norms in training mode use the statistics of the batch and do not update the running ones.

    For passes over features unlike those at test time, such as the reallocated branch of dense supervision
    propagation (arXiv 2107.11267): outputs and gradients are as usual, and the running statistics still describe clean
    features. Layers in eval mode are unaffected.
    """
    found = running_statistics(module)
    try:
        for layer, name, value in found:
            setattr(layer, name, value.clone())  # updates of this copy are discarded
        yield
    finally:
        for layer, name, value in found:
            setattr(layer, name, value)


@contextmanager
def deciding(module: nn.Module, statistics: str) -> Iterator[None]:
    """Context for the passes that make pseudo labels: batch norms use the statistics of the "batch" or the "running"
    ones, and update neither. All else is as it was.

    Raises InputError for another word.
    """
    one_of("statistics", statistics, STATISTICS)
    if statistics == "batch":
        with frozen_statistics(module):
            yield
        return
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.training]
    try:
        for norm in norms:
            norm.eval()
        yield
    finally:
        for norm in norms:
            norm.train()


def running_statistics(module: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """Return layer, name and value of all buffers of the batch norms of ``module``."""
    layers = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    return [(layer, name, value) for layer in layers for name, value in layer.named_buffers(recurse=False)]
