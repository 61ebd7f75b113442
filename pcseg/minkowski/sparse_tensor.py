"""SparseTensor: features on voxels, made from coordinates or on those of another tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor as TorchTensor

from pcseg.errors import InputError
from pcseg.minkowski.coordinate_manager import CoordinateManager
from pcseg.minkowski.inputs import manager_for, reduce_rows, refuse_last_column, whole
from pcseg.minkowski.tensor import Tensor
from pcseg.minkowski.types import CoordinateMapKey, Sizes, SparseTensorQuantizationMode

if TYPE_CHECKING:
    from pcseg.minkowski.field import TensorField

Mode = SparseTensorQuantizationMode


class SparseTensor(Tensor):
    """Features (N, C) on distinct voxels; layers keep their order.

    ``coordinates`` (N, 1 + D) int32, rows (sample, first axis, ...), multiples of ``tensor_stride``; or
    ``coordinate_map_key`` and ``coordinate_manager`` of another tensor. Where coordinates coincide,
    ``quantization_mode`` says what becomes of the features; ``unique_index`` and ``inverse_mapping`` tell which rows
    were kept and where each went. Coordinates of a floating type are rounded down, with a warning. ``allocator_type``
    and ``minkowski_algorithm`` have no effect; ``feats``, ``coords``, ``coords_key`` and ``coords_manager`` are the
    names before version 0.5. Raises InputError for shapes that do not fit and for samples in the last column.
    """

    def __init__(
        self, features: TorchTensor | None = None, coordinates: TorchTensor | None = None, tensor_stride: Sizes = 1,
        coordinate_map_key: CoordinateMapKey | None = None, coordinate_manager: CoordinateManager | None = None,
        quantization_mode: Mode = Mode.RANDOM_SUBSAMPLE, allocator_type: Any = None, minkowski_algorithm: Any = None,
        requires_grad: bool | None = None, device: Any = None, *, feats: TorchTensor | None = None,
        coords: TorchTensor | None = None, coords_key: CoordinateMapKey | None = None,
        coords_manager: CoordinateManager | None = None, D: int | None = None,
    ) -> None:  # fmt: skip
        features = feats if features is None else features
        coordinates = coords if coordinates is None else coordinates
        key = coords_key if coordinate_map_key is None else coordinate_map_key
        manager = coords_manager if coordinate_manager is None else coordinate_manager
        if not isinstance(features, TorchTensor) or features.dim() != 2:
            raise InputError("features: give a tensor (N, C)")
        if device is not None:
            features = features.to(device)
        self.quantization_mode = quantization_mode
        if coordinates is None:
            if key is None or manager is None:
                raise InputError("SparseTensor: give coordinates, or coordinate_map_key and coordinate_manager")
            rows = manager.size(key)
        else:
            coordinates = whole(coordinates if device is None else coordinates.to(device))
            refuse_last_column(coordinates)
            rows, dimension = len(coordinates), coordinates.shape[1] - 1
            manager = manager_for(dimension) if manager is None else manager
            stride, text = key.get_key() if key is not None and key.is_key_set() else (tensor_stride, "")
            key, (self.unique_index, self.inverse_mapping) = manager.insert_and_map(coordinates, stride, text)
        if len(features) != rows:
            raise InputError(f"features: {len(features)} rows for {rows} coordinates; give a row for each")
        if coordinates is not None and len(self.unique_index) < rows:
            features = reduce_rows(features, self.unique_index, self.inverse_mapping, quantization_mode)
        self._F, self._manager, self.coordinate_map_key = features, manager, key
        if requires_grad is not None:
            self._F.requires_grad_(requires_grad)

    def with_features(self, features: TorchTensor) -> SparseTensor:
        return on_rows(features, self.coordinate_map_key, self._manager)

    _C: TorchTensor | None = None

    @property
    def C(self) -> TorchTensor:
        if self._C is None:  # a copy: code that changes it must not change the manager's
            self._C = self._manager.coords(self.coordinate_map_key.value).clone()
        return self._C

    def to(self, device: Any) -> SparseTensor:
        """Return the tensor on a device; on another one, it has a coordinate manager of its own."""
        if torch.device(device).type == self.device.type:
            return self
        return SparseTensor(self._F.to(device), self.C.to(device), self.tensor_stride)

    def _binary(self, other: Any, function: Callable[[Any, Any], Any]) -> SparseTensor:
        """Unite different coordinates: rows of this tensor alone stay, those of the other alone are f(0, other)."""
        if not isinstance(other, SparseTensor) or self._same_rows(other):
            return super()._binary(other, function)
        name, (mine, theirs) = self._manager.union([self.coordinate_map_key.value, other.coordinate_map_key.value])
        rows = self._manager.coords(name)
        left = self._F.new_zeros(len(rows), self._F.shape[1]).index_copy(0, mine, self._F)
        out = left.index_copy(0, theirs, function(left[theirs], other._F).to(left.dtype))
        return on_rows(out, self._manager.key(name), self._manager)

    def dense(
        self, shape: Sequence[int] | None = None, min_coordinate: TorchTensor | int | None = None,
        contract_stride: bool = True,
    ) -> tuple[TorchTensor, TorchTensor, TorchTensor]:  # fmt: skip
        """Return a dense tensor (B, C, ...), zero where there is no voxel, the lowest coordinates and the strides.

        ``shape`` is that of the result; ``min_coordinate`` (D,) becomes its origin, which is 0 by default; with
        ``contract_stride`` the coordinates are divided by the stride. Raises InputError for voxels below the origin.
        """
        stride = torch.tensor(self.tensor_stride, dtype=torch.int32)
        if not len(self):
            if shape is None:
                raise InputError("dense: the tensor is empty; give shape")
            return self._F.new_zeros(tuple(shape)), torch.zeros(1, self.D, dtype=torch.int32), stride
        sample, place = self.C[:, 0].long(), self.C[:, 1:]
        if min_coordinate is None:
            low = place.amin(0, keepdim=True)
        else:
            low = torch.as_tensor(min_coordinate, dtype=torch.int32, device=place.device).expand(self.D).reshape(1, -1)
            place = place - low
        if (place < 0).any():
            raise InputError(f"dense: coordinates begin at {self.C[:, 1:].amin(0).tolist()}; give min_coordinate")
        step = stride.to(place.device)
        if (low % step).any():
            raise InputError(f"min_coordinate={low[0].tolist()}: give multiples of the stride, {stride.tolist()}")
        if contract_stride:
            place = place // step
        extent = [*place.amax(0).add(1).tolist()] if shape is None else list(shape[2:])
        samples = int(sample.max()) + 1 if shape is None else shape[0]
        grid = self._F.new_zeros(samples, *extent, self._F.shape[1]).index_put((sample, *place.long().T), self._F)
        return grid.movedim(-1, 1), low, stride

    def sparse(
        self, min_coords: TorchTensor | None = None, max_coords: TorchTensor | None = None, contract_coords: bool = True
    ) -> tuple[TorchTensor, TorchTensor, TorchTensor]:
        """Return a torch.sparse tensor (B, ..., C) from the lowest coordinates on, these, and the strides."""
        place = self.C[:, 1:]
        stride = torch.tensor(self.tensor_stride, dtype=torch.int32)
        low = (place.amin(0) if min_coords is None else min_coords.to(place)).reshape(1, -1)
        high = None if max_coords is None else max_coords.to(place).reshape(-1)
        step = stride.to(place.device) if contract_coords else 1
        index = torch.cat([self.C[:, :1], (place - low) // step], dim=1).long().T
        if high is None:
            return torch.sparse_coo_tensor(index, self._F, check_invariants=False), low // step, stride
        extent = ((high - low[0]) // step + 1).tolist()
        size = (int(self._manager.samples().max()) + 1, *extent, self._F.shape[1])
        return torch.sparse_coo_tensor(index, self._F, size, check_invariants=False), low // step, stride

    def features_at_coordinates(self, query_coordinates: TorchTensor) -> TorchTensor:
        """Return features (P, C) at positions (P, 1 + D), interpolated between the voxels of their cell; absent: 0."""
        query = query_coordinates if query_coordinates.is_floating_point() else query_coordinates.to(torch.float32)
        return self._manager.interpolated(self._F, self.coordinate_map_key, query)[0]

    def interpolate(self, X: TensorField) -> TensorField:
        """Return a field with the features at the positions of ``X``."""
        return X.with_features(self.features_at_coordinates(X.C))

    def slice(self, X: TensorField | SparseTensor) -> TensorField:
        """Return a field with, for each point that ``X`` was made of, the features of its voxel in this tensor."""
        return X.points_with(self._F[self._rows_of(X)])

    def cat_slice(self, X: TensorField | SparseTensor) -> TensorField:
        """Return :meth:`slice` with the features of ``X`` behind."""
        own = X._F if len(X._F) == len(self._rows_of(X)) else X._F[self._rows_of(X)]
        return X.points_with(torch.cat([self._F[self._rows_of(X)], own], dim=1))

    def _rows_of(self, X: Any) -> TorchTensor:
        """Return the row of this tensor of each point of a field, or of each point a sparse tensor was made of."""
        if not isinstance(X, SparseTensor):
            return X.inverse_mapping(self.coordinate_map_key)
        if not hasattr(X, "inverse_mapping") or X.coordinate_map_key != self.coordinate_map_key:
            raise InputError("slice: give the tensor that was made from coordinates, at the stride of this one")
        return X.inverse_mapping

    def points_with(self, features: TorchTensor) -> TensorField:
        """Return a field of the points this tensor was made of, with features (P, C)."""
        from pcseg.minkowski.field import TensorField  # the two refer to each other

        return TensorField(features, self.C[self.inverse_mapping], coordinate_manager=self._manager)

    def initialize_coordinates(self, *_: Any) -> None:
        """Refuse an inner function of the original."""
        raise InputError("initialize_coordinates: make a new SparseTensor from the coordinates instead")


def on_rows(features: TorchTensor, key: CoordinateMapKey, manager: CoordinateManager) -> SparseTensor:
    """Return a tensor on coordinates of the manager, unchecked: what layers return."""
    tensor = SparseTensor.__new__(SparseTensor)
    tensor._F, tensor.coordinate_map_key, tensor._manager = features, key, manager
    tensor.quantization_mode = Mode.RANDOM_SUBSAMPLE
    return tensor
