"""From coordinates and features to a tensor: the manager, whole numbers, samples first, one row for each voxel."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor as TorchTensor

from pcseg import ops
from pcseg.errors import InputError
from pcseg.minkowski.coordinate_manager import CoordinateManager
from pcseg.minkowski.types import SparseTensorOperationMode
from pcseg.minkowski.types import SparseTensorQuantizationMode as Mode

_mode = SparseTensorOperationMode.SEPARATE_COORDINATE_MANAGER
_global_manager: CoordinateManager | None = None


def set_sparse_tensor_operation_mode(operation_mode: SparseTensorOperationMode) -> None:
    """Set whether new tensors share the global coordinate manager."""
    global _mode
    _mode = operation_mode


def sparse_tensor_operation_mode() -> SparseTensorOperationMode:
    """Return the mode."""
    return _mode


def global_coordinate_manager() -> CoordinateManager | None:
    """Return the manager that tensors share in mode SHARE_COORDINATE_MANAGER, or None before the first."""
    return _global_manager


def set_global_coordinate_manager(coordinate_manager: CoordinateManager | None) -> None:
    """Set that manager."""
    global _global_manager
    _global_manager = coordinate_manager


def clear_global_coordinate_manager() -> None:
    """Forget that manager and with it the coordinates and maps of all tensors that no longer exist."""
    set_global_coordinate_manager(None)


def manager_for(dimension: int) -> CoordinateManager:
    """Return the manager of a new tensor."""
    if _mode is SparseTensorOperationMode.SEPARATE_COORDINATE_MANAGER:
        return CoordinateManager(D=dimension)
    if _global_manager is None:
        set_global_coordinate_manager(CoordinateManager(D=dimension))
    assert _global_manager is not None
    return _global_manager


def whole(coordinates: Any) -> TorchTensor:
    """Return coordinates as int32; others are rounded down, with a warning."""
    if coordinates.dtype != torch.int32:
        warnings.warn("coordinates were rounded down to torch.int32; call .int() on them to say so", stacklevel=3)
        coordinates = torch.floor(coordinates).int() if coordinates.is_floating_point() else coordinates.int()
    return coordinates


def reduce_rows(features: TorchTensor, first: TorchTensor, number: TorchTensor, mode: Mode) -> TorchTensor:
    """Return features (M, C) of the distinct coordinates: ``first`` row of each, ``number`` (N,) of each row's."""
    if mode is Mode.RANDOM_SUBSAMPLE:
        return features[first]
    wide = features if features.is_floating_point() else features.float()
    if mode is Mode.UNWEIGHTED_AVERAGE:
        return ops.segment_mean(wide, number, len(first))
    if mode is Mode.UNWEIGHTED_SUM:
        return ops.segment_sum(wide, number, len(first))
    if mode is Mode.MAX_POOL:
        return ops.segment_max(wide, number, len(first))
    raise InputError(f"quantization_mode={mode.name}: some coordinates coincide; choose how to reduce their features")


def refuse_last_column(coordinates: TorchTensor) -> None:
    """Raise InputError where the samples seem to stand in the last column, as before version 0.4, not in the first.

    They do where the first column is negative; or is in no order, with gaps and over 16 values, while the last one
    counts up from 0.
    """
    if not len(coordinates) or coordinates.dim() != 2 or coordinates.shape[1] < 3:
        return
    first, last = coordinates[:, 0], coordinates[:, -1]
    wrong = bool((first < 0).any())
    if not wrong and bool((first.diff() < 0).any()) and bool((last.diff() >= 0).all()) and int(last[0]) == 0:
        found = len(first.unique())
        wrong = 16 < found <= int(first.max()) and len(last.unique()) == int(last.max()) + 1
    if wrong:
        raise InputError(
            "coordinates: the first column does not hold sample numbers; since version 0.4 of MinkowskiEngine they "
            "stand first, not last: utils.batched_coordinates puts them there"
        )
