"""Norms of sparse tensors and fields: over the batch, and over each sample."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor as TorchTensor
from torch import nn

from pcseg import ops
from pcseg.minkowski.convolution import MinkowskiModuleBase
from pcseg.minkowski.coordinate_manager import CoordinateManager
from pcseg.minkowski.tensor import Tensor
from pcseg.minkowski.types import CoordinateMapKey
from pcseg.nn.norm import BatchNorm


class MinkowskiBatchNorm(nn.Module):
    """Batch norm of all rows, in ``bn``; fewer than two rows are normalized by the running statistics."""

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.bn: nn.Module = BatchNorm(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Any) -> Any:
        return input.with_features(self.bn(input._F))


class MinkowskiSyncBatchNorm(MinkowskiBatchNorm):
    """Batch norm over the rows of all processes."""

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True,
        track_running_stats: bool = True, process_group: Any = None,
    ) -> None:  # fmt: skip
        nn.Module.__init__(self)
        self.bn = nn.SyncBatchNorm(num_features, eps, momentum, affine, track_running_stats, process_group)

    @classmethod
    def convert_sync_batchnorm(cls, module: nn.Module, process_group: Any = None) -> nn.Module:
        """Return ``module`` with each MinkowskiBatchNorm and each batch norm of torch replaced, weights kept."""
        if isinstance(module, MinkowskiBatchNorm) and not isinstance(module, MinkowskiSyncBatchNorm):
            old: Any = module.bn
            new = cls(
                old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats, process_group
            )  # fmt: skip
            new.bn.load_state_dict(old.state_dict())
            new.to(next(old.parameters(), torch.zeros(())).device)
            return new.train(module.training)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            return nn.SyncBatchNorm.convert_sync_batchnorm(module, process_group)
        for name, child in module.named_children():
            module.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return module


def normalize_samples(
    feats: TorchTensor, manager: CoordinateManager, key: CoordinateMapKey, eps: float = 1e-8
) -> TorchTensor:
    """Return (x - mean) / sqrt(variance + eps) of each sample and channel, (N, C)."""
    member, samples = manager.sample_rows(key.value), manager.number_of_unique_batch_indices()
    centered = feats - ops.gather(ops.segment_mean(feats, member, samples), member)
    variance = ops.segment_mean(centered**2, member, samples)
    return centered * ops.gather((variance + eps).rsqrt(), member)


class MinkowskiInstanceNorm(MinkowskiModuleBase):
    """Instance norm: each sample and channel has mean 0 and variance 1, then ``weight`` and ``bias`` (1, C).

    ``eps``, ``mode`` and ``dimension`` are arguments of older versions and have no effect.
    """

    variance_floor = 1e-8

    def __init__(self, num_features: int, eps: float | None = None, mode: Any = None, dimension: int = -1) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, self.variance_floor
        self.weight = nn.Parameter(torch.ones(1, num_features))
        self.bias = nn.Parameter(torch.zeros(1, num_features))

    def reset_parameters(self) -> None:
        """Set weights to 1 and biases to 0."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        normal = normalize_samples(input._F, input._manager, input.coordinate_map_key, self.eps)
        return input.with_features(normal * self.weight + self.bias)

    def extra_repr(self) -> str:
        return f"nchannels={self.num_features}"


class MinkowskiStableInstanceNorm(MinkowskiInstanceNorm):
    """Instance norm with a larger least variance."""

    variance_floor = 1e-6
