"""Layers that join tensors: broadcast of samples, union, pruning, interpolation at positions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor as TorchTensor
from torch import nn

from pcseg import ops
from pcseg.errors import InputError
from pcseg.minkowski.convolution import MinkowskiModuleBase
from pcseg.minkowski.coordinate_manager import CoordinateManager
from pcseg.minkowski.sparse_tensor import SparseTensor, on_rows
from pcseg.minkowski.tensor import Tensor
from pcseg.minkowski.types import BroadcastMode, CoordinateMapKey


def spread(
    feats: TorchTensor, manager: CoordinateManager, key: CoordinateMapKey, global_key: CoordinateMapKey
) -> TorchTensor:
    """Return, for each row of ``key``, the row of ``feats`` (B, C) of its sample, (N, C)."""
    if global_key.value != manager.origin_name():
        raise InputError("broadcast: the second tensor is not the result of a global pooling of the same manager")
    return ops.gather(feats, manager.sample_rows(key.value))


class MinkowskiBroadcastBase(MinkowskiModuleBase):
    """Base of the layers that join each row with that of its sample; ``dimension`` has no effect."""

    operation_type: BroadcastMode | None = None

    def __init__(self, dimension: int | None = None) -> None:
        super().__init__()

    def join(self, feats: TorchTensor, of_sample: TorchTensor) -> TorchTensor:
        """Return the joined features of rows (N, C) and their samples' (N, C)."""
        raise NotImplementedError

    def forward(self, input: Tensor, input_glob: SparseTensor) -> Any:
        of_sample = spread(input_glob._F, input._manager, input.coordinate_map_key, input_glob.coordinate_map_key)
        return input.with_features(self.join(input._F, of_sample))


class MinkowskiBroadcastAddition(MinkowskiBroadcastBase):
    """Add the sample's features to each voxel's."""

    operation_type = BroadcastMode.ELEMENTWISE_ADDITON

    def join(self, feats: TorchTensor, of_sample: TorchTensor) -> TorchTensor:
        return feats + of_sample


class MinkowskiBroadcastMultiplication(MinkowskiBroadcastBase):
    """Multiply each voxel's features by the sample's."""

    operation_type = BroadcastMode.ELEMENTWISE_MULTIPLICATION

    def join(self, feats: TorchTensor, of_sample: TorchTensor) -> TorchTensor:
        return feats * of_sample


class MinkowskiBroadcast(MinkowskiBroadcastBase):
    """Give each voxel the sample's features."""

    def join(self, feats: TorchTensor, of_sample: TorchTensor) -> TorchTensor:
        return of_sample


class MinkowskiBroadcastConcatenation(MinkowskiBroadcastBase):
    """Put the sample's features behind each voxel's."""

    def join(self, feats: TorchTensor, of_sample: TorchTensor) -> TorchTensor:
        return torch.cat([feats, of_sample], dim=1)


class MinkowskiUnion(nn.Module):
    """The sum of tensors of one manager on the union of their voxels; a voxel that is absent counts as 0."""

    def __init__(self, dimension: int | None = None) -> None:
        super().__init__()

    def forward(self, *inputs: SparseTensor) -> SparseTensor:
        if not inputs or not all(isinstance(x, SparseTensor) for x in inputs):
            raise InputError("MinkowskiUnion: give SparseTensors")
        for x in inputs:
            inputs[0]._same_rows(x)  # raises InputError for another manager
        manager = inputs[0]._manager
        name, numbers = manager.union([x.coordinate_map_key.value for x in inputs])
        return on_rows(united([x._F for x in inputs], numbers, len(manager.coords(name))), manager.key(name), manager)


def united(feats: list[TorchTensor], numbers: list[TorchTensor], rows: int) -> TorchTensor:
    """Return the sum (rows, C) of features whose rows go to ``numbers``."""
    return ops.segment_sum(torch.cat(feats), torch.cat(numbers), rows)


class MinkowskiPruning(MinkowskiModuleBase):
    """Keep the voxels of which a mask (N,) bool is True, in their order."""

    def forward(self, input: SparseTensor, mask: TorchTensor) -> SparseTensor:
        key, rows = prune(input._manager, input.coordinate_map_key, mask)
        return on_rows(input._F[rows], key, input._manager)


def prune(manager: CoordinateManager, key: CoordinateMapKey, mask: TorchTensor) -> tuple[CoordinateMapKey, TorchTensor]:
    """Return the key of the voxels of which ``mask`` is True, and their rows."""
    coords = manager.coords(key.value)
    if mask.dtype != torch.bool or mask.shape != (len(coords),):
        raise InputError(f"mask: {tuple(mask.shape)} {mask.dtype}; give ({len(coords)},) torch.bool")
    rows = mask.to(coords.device).nonzero()[:, 0]
    return manager.key(manager.add(key.value[0], "pruned", coords[rows])), rows


class MinkowskiInterpolation(MinkowskiModuleBase):
    """Features (P, C) at positions (P, 1 + D): multilinear between the voxels of a cell, absent ones count as 0.

    Returns them alone, or with (voxels, rows) and weights of all terms where asked for.
    """

    def __init__(self, return_kernel_map: bool = False, return_weights: bool = False) -> None:
        super().__init__()
        self.return_kernel_map, self.return_weights = return_kernel_map, return_weights

    def forward(self, input: SparseTensor, tfield: TorchTensor) -> Any:
        out, voxels, rows, weights = input._manager.interpolated(input._F, input.coordinate_map_key, tfield)
        found = [
            out,
            *([(voxels, rows)] if self.return_kernel_map else []),
            *([weights] if self.return_weights else []),
        ]
        return found[0] if len(found) == 1 else tuple(found)
