"""Functions and small layers of whole tensors: linear, cat, sum, mean, var, stacks, and to and from dense tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor as TorchTensor
from torch import nn

from pcseg.errors import InputError
from pcseg.minkowski.convolution import MinkowskiModuleBase
from pcseg.minkowski.field import TensorField
from pcseg.minkowski.sparse_tensor import SparseTensor
from pcseg.minkowski.tensor import Tensor


class MinkowskiLinear(nn.Module):
    """A linear layer on the features, in ``linear``."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias)

    def forward(self, input: Any) -> Any:
        return input.with_features(self.linear(input._F))


def _features(tensors: Sequence[Any]) -> tuple[Any, list[TorchTensor]]:
    """Return the first of tensors, given one by one or as one list, and the features of all, on the same voxels."""
    listed = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else list(tensors)
    if not listed or not all(isinstance(x, Tensor) for x in listed):
        raise InputError("give SparseTensors or TensorFields")
    for x in listed[1:]:
        if not listed[0]._same_rows(x):
            raise InputError(
                f"tensors of different coordinates, {listed[0].coordinate_map_key} and {x.coordinate_map_key}; all "
                "need the same coordinate_map_key"
            )
    return listed[0], [x._F for x in listed]


def cat(*sparse_tensors: Any) -> Any:
    """Return a tensor with the features of all, one behind the other."""
    first, feats = _features(sparse_tensors)
    return first.with_features(torch.cat(feats, dim=1))


def sum(*sparse_tensors: Any) -> Any:
    """Return a tensor with the sum of the features."""
    first, feats = _features(sparse_tensors)
    return first.with_features(torch.stack(feats).sum(0))


def mean(*sparse_tensors: Any) -> Any:
    """Return a tensor with the mean of the features."""
    first, feats = _features(sparse_tensors)
    return first.with_features(torch.stack(feats).mean(0))


def var(*sparse_tensors: Any) -> Any:
    """Return a tensor with the variance of the features (divisor n - 1)."""
    first, feats = _features(sparse_tensors)
    return first.with_features(torch.stack(feats).var(0))


def dense_coordinates(shape: Sequence[int]) -> TorchTensor:
    """Return the coordinates (B * ..., 1 + D) int32 of all cells of a dense tensor (B, C, ...)."""
    axes = [torch.arange(size, dtype=torch.int32) for size in (shape[0], *shape[2:])]
    return torch.cartesian_prod(*axes)


def to_sparse(
    x: TorchTensor, format: str | None = None, coordinates: TorchTensor | None = None, device: Any = None
) -> SparseTensor:
    """Return the cells of a dense tensor (B, C, ...) of which a channel is not 0.

    ``format`` has a letter for each axis: B first, C for the channels, X for the others. Raises InputError otherwise.
    """
    letters = "BC" + "X" * (x.dim() - 2) if format is None else format
    if x.dim() < 3 or len(letters) != x.dim() or letters[0] != "B" or letters.count("C") != 1:
        raise InputError(f"format={letters}: give B, one C and an X for each further axis of {tuple(x.shape)}")
    last = x.movedim(letters.index("C"), -1)
    cells = (last != 0).any(-1).nonzero() if coordinates is None else coordinates.long()
    return SparseTensor(last[tuple(cells.T)], cells.int().contiguous(), device=x.device if device is None else device)


def to_sparse_all(dense_tensor: TorchTensor, coordinates: TorchTensor | None = None) -> SparseTensor:
    """Return all cells of a dense tensor (B, C, ...); ``coordinates`` are those of :func:`dense_coordinates`, kept."""
    coordinates = dense_coordinates(dense_tensor.shape) if coordinates is None else coordinates
    feats = dense_tensor.movedim(1, -1).reshape(-1, dense_tensor.shape[1])
    return SparseTensor(feats, coordinates, device=dense_tensor.device)


class MinkowskiToSparseTensor(MinkowskiModuleBase):
    """From a TensorField or a dense tensor (B, C, ...) to a SparseTensor; see :func:`to_sparse`.

    Without ``remove_zeros``, or with ``coordinates``, all cells are kept.
    """

    def __init__(self, remove_zeros: bool = True, coordinates: TorchTensor | None = None) -> None:
        super().__init__()
        self.remove_zeros, self.coordinates = remove_zeros, coordinates

    def forward(self, input: TensorField | TorchTensor) -> SparseTensor:
        if isinstance(input, TensorField):
            return input.sparse()
        if self.remove_zeros and self.coordinates is None:
            return to_sparse(input)
        return to_sparse_all(input, self.coordinates)


class MinkowskiToDenseTensor(MinkowskiModuleBase):
    """From a SparseTensor to a dense tensor (B, C, ...), of ``shape`` where given."""

    def __init__(self, shape: Sequence[int] | None = None) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, input: SparseTensor) -> TorchTensor:
        return input.dense(self.shape)[0]


class MinkowskiToFeature(MinkowskiModuleBase):
    """The features alone."""

    def forward(self, x: Tensor) -> TorchTensor:
        return x.F


class MinkowskiStackCat(nn.Sequential):
    """Run each layer on the same input and put the results behind each other."""

    def forward(self, x: Any) -> Any:
        return cat([module(x) for module in self])


class MinkowskiStackSum(nn.Sequential):
    """Run each layer on the same input and add the results."""

    def forward(self, x: Any) -> Any:
        return sum([module(x) for module in self])


class MinkowskiStackMean(nn.Sequential):
    """Run each layer on the same input and average the results."""

    def forward(self, x: Any) -> Any:
        return mean([module(x) for module in self])


class MinkowskiStackVar(nn.Sequential):
    """Run each layer on the same input and return the variance of the results."""

    def forward(self, x: Any) -> Any:
        return var([module(x) for module in self])
