"""The part that sparse tensors and fields share: features, coordinates, samples apart, arithmetic."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor as TorchTensor

from pcseg.errors import InputError
from pcseg.minkowski.coordinate_manager import CoordinateManager
from pcseg.minkowski.types import CoordinateMapKey

Self = TypeVar("Self", bound="Tensor")


class Tensor:
    """Features (N, C) on coordinates of a manager."""

    _F: TorchTensor
    _manager: CoordinateManager
    coordinate_map_key: CoordinateMapKey

    def with_features(self: Self, features: TorchTensor) -> Self:
        """Return a tensor of the same coordinates with other features."""
        raise NotImplementedError

    @property
    def C(self) -> TorchTensor:
        """Coordinates (N, 1 + D), rows (sample, first axis, ...)."""
        raise NotImplementedError

    @property
    def F(self) -> TorchTensor:
        """Features (N, C)."""
        return self._F

    @property
    def D(self) -> int:
        """Number of axes."""
        return self._manager.D

    @property
    def coordinate_manager(self) -> CoordinateManager:
        """The manager of the coordinates."""
        return self._manager

    @property
    def coordinate_key(self) -> CoordinateMapKey:
        """The key of the coordinates in the manager."""
        return self.coordinate_map_key

    @property
    def tensor_stride(self) -> list[int]:
        """Distance of neighboring voxels along each axis."""
        return self.coordinate_map_key.get_tensor_stride()

    coordinates = coords = property(lambda self: self.C)
    features = feats = property(lambda self: self.F)
    dimension = _D = property(lambda self: self.D)
    coords_key, coords_man = coordinate_key, coordinate_manager

    @property
    def decomposition_permutations(self) -> list[TorchTensor]:
        """Rows of each sample from 0 to the last, (N_b,) int64."""
        return self._manager.origin_map(self.coordinate_map_key)[1]

    _batchwise_row_indices = _sorted_batchwise_row_indices = decomposition_permutations

    @property
    def decomposed_coordinates(self) -> list[TorchTensor]:
        """Coordinates of each sample, (N_b, D)."""
        return [self.C[rows, 1:] for rows in self.decomposition_permutations]

    @property
    def decomposed_features(self) -> list[TorchTensor]:
        """Features of each sample, (N_b, C)."""
        return [self._F[rows] for rows in self.decomposition_permutations]

    @property
    def decomposed_coordinates_and_features(self) -> tuple[list[TorchTensor], list[TorchTensor]]:
        """Coordinates and features of each sample."""
        return self.decomposed_coordinates, self.decomposed_features

    def coordinates_at(self, batch_index: int) -> TorchTensor:
        """Return the coordinates (N_b, D) of a sample."""
        return self.C[self.decomposition_permutations[batch_index], 1:]

    def features_at(self, batch_index: int) -> TorchTensor:
        """Return the features (N_b, C) of a sample."""
        return self._F[self.decomposition_permutations[batch_index]]

    def coordinates_and_features_at(self, batch_index: int) -> tuple[TorchTensor, TorchTensor]:
        """Return the coordinates and the features of a sample."""
        return self.coordinates_at(batch_index), self.features_at(batch_index)

    def __len__(self) -> int:
        return len(self._F)

    def size(self, *axis: int) -> Any:
        """Return the size of the features."""
        return self._F.size(*axis)

    shape = property(lambda self: self._F.shape)
    device = property(lambda self: self._F.device)
    dtype = property(lambda self: self._F.dtype)
    requires_grad = property(lambda self: self._F.requires_grad)

    def get_device(self) -> int:
        """Return the number of the GPU."""
        return self._F.get_device()

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Record operations on the features."""
        self._F.requires_grad_(requires_grad)
        return self

    def float(self: Self) -> Self:
        """Turn the features of this tensor into float32."""
        self._F = self._F.float()
        return self

    def double(self: Self) -> Self:
        """Turn the features of this tensor into float64."""
        self._F = self._F.double()
        return self

    def detach(self: Self) -> Self:
        """Return a tensor whose features have no history."""
        return self.with_features(self._F.detach())

    def _same_rows(self, other: Tensor) -> bool:
        """Return whether the rows agree; raises InputError for another manager."""
        if other._manager is not self._manager:
            raise InputError(
                "two tensors of different coordinate managers; make the second with coordinate_manager="
                "first.coordinate_manager, or set SHARE_COORDINATE_MANAGER"
            )
        return other.coordinate_map_key == self.coordinate_map_key

    def _binary(self: Self, other: Any, function: Callable[[Any, Any], Any]) -> Self:
        if isinstance(other, Tensor) and not self._same_rows(other):
            raise InputError("two tensors of different coordinates; this needs the same coordinate_map_key")
        return self.with_features(function(self._F, other._F if isinstance(other, Tensor) else other))

    def __add__(self: Self, other: Any) -> Self:
        return self._binary(other, operator.add)

    def __sub__(self: Self, other: Any) -> Self:
        return self._binary(other, operator.sub)

    def __mul__(self: Self, other: Any) -> Self:
        return self._binary(other, operator.mul)

    def __truediv__(self: Self, other: Any) -> Self:
        return self._binary(other, operator.truediv)

    __radd__, __rmul__ = __add__, __mul__

    def __pow__(self: Self, power: Any) -> Self:
        return self.with_features(self._F**power)

    def __neg__(self: Self) -> Self:
        return self.with_features(-self._F)

    def _in_place(self: Self, other: Any, function: Callable[[Any, Any], Any]) -> Self:
        if isinstance(other, Tensor) and not self._same_rows(other):
            raise InputError("in place: the tensors have different coordinates; write a = a + b, which unites them")
        self._F = function(self._F, other._F if isinstance(other, Tensor) else other)
        return self

    def __iadd__(self: Self, other: Any) -> Self:
        return self._in_place(other, operator.iadd)

    def __isub__(self: Self, other: Any) -> Self:
        return self._in_place(other, operator.isub)

    def __imul__(self: Self, other: Any) -> Self:
        return self._in_place(other, operator.imul)

    def __itruediv__(self: Self, other: Any) -> Self:
        return self._in_place(other, operator.itruediv)

    def __repr__(self) -> str:
        name, key = type(self).__name__, self.coordinate_map_key
        return f"{name}(\n  coordinates={self.C}\n  features={self._F}\n  coordinate_map_key={key}\n)"
