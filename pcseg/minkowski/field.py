"""TensorField: features on points at positions that are no whole numbers, any number of them in a voxel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor as TorchTensor

from pcseg import ops
from pcseg.errors import InputError
from pcseg.minkowski.coordinate_manager import CoordinateManager
from pcseg.minkowski.inputs import manager_for, reduce_rows, refuse_last_column
from pcseg.minkowski.region import make_region
from pcseg.minkowski.sparse_tensor import Mode, SparseTensor, on_rows
from pcseg.minkowski.tensor import Tensor
from pcseg.minkowski.types import CoordinateMapKey, RegionType, Sizes, convert_to_int_list


class TensorField(Tensor):
    """Features (P, C) at positions (P, 1 + D), rows (sample, first axis, ...) in units of voxels.

    ``sparse`` turns it into a SparseTensor, reducing points of one voxel by ``quantization_mode``; ``slice`` of that
    tensor, or of what a network made of it, leads back. The other arguments are those of SparseTensor.
    """

    def __init__(
        self, features: TorchTensor | None = None, coordinates: TorchTensor | None = None, tensor_stride: Sizes = 1,
        coordinate_field_map_key: CoordinateMapKey | None = None, coordinate_manager: CoordinateManager | None = None,
        quantization_mode: Mode = Mode.UNWEIGHTED_AVERAGE, allocator_type: Any = None, minkowski_algorithm: Any = None,
        requires_grad: bool | None = None, device: Any = None, *, feats: TorchTensor | None = None,
        coords: TorchTensor | None = None,
    ) -> None:  # fmt: skip
        features = feats if features is None else features
        coordinates = coords if coordinates is None else coordinates
        if not isinstance(features, TorchTensor) or features.dim() != 2:
            raise InputError("features: give a tensor (P, C)")
        if device is not None:
            features = features.to(device)
        manager, key = coordinate_manager, coordinate_field_map_key
        if coordinates is None:
            if key is None or manager is None:
                raise InputError("TensorField: give coordinates, or coordinate_field_map_key and coordinate_manager")
            rows = manager.size(key)
        else:
            coordinates = coordinates if device is None else coordinates.to(device)
            refuse_last_column(coordinates)
            rows, dimension = len(coordinates), coordinates.shape[1] - 1
            manager = manager_for(dimension) if manager is None else manager
            key = manager.insert_field(coordinates if coordinates.is_floating_point() else coordinates.float())
        if len(features) != rows:
            raise InputError(f"features: {len(features)} rows for {rows} coordinates; give a row for each")
        self._F, self._manager, self.coordinate_map_key = features, manager, key
        self.quantization_mode = quantization_mode
        if requires_grad is not None:
            self._F.requires_grad_(requires_grad)

    @property
    def coordinate_field_map_key(self) -> CoordinateMapKey:
        """The key of the positions in the manager."""
        return self.coordinate_map_key

    @property
    def C(self) -> TorchTensor:
        return self._manager.get_coordinate_field(self.coordinate_map_key)

    def with_features(self, features: TorchTensor) -> TensorField:
        return TensorField(
            features, coordinate_field_map_key=self.coordinate_map_key, coordinate_manager=self._manager,
            quantization_mode=self.quantization_mode,
        )  # fmt: skip

    points_with = with_features

    def to(self, device: Any) -> TensorField:
        """Return the field on a device; on another one, it has a coordinate manager of its own."""
        if torch.device(device).type == self.device.type:
            return self
        return TensorField(self._F.to(device), self.C.to(device), quantization_mode=self.quantization_mode)

    def sparse(
        self, tensor_stride: Sizes = 1, coordinate_map_key: CoordinateMapKey | None = None,
        quantization_mode: Mode | None = None,
    ) -> SparseTensor:  # fmt: skip
        """Return the voxels of ``tensor_stride`` that the points lie in, or those of a key, with reduced features."""
        mode = self.quantization_mode if quantization_mode is None else quantization_mode
        if mode is Mode.SPLAT_LINEAR_INTERPOLATION:
            raise InputError("quantization_mode=SPLAT_LINEAR_INTERPOLATION: call splat() instead of sparse()")
        manager, field = self._manager, self.coordinate_map_key
        if coordinate_map_key is None:
            stride = convert_to_int_list(tensor_stride, self.D)
            key, (first, number) = manager.field_to_sparse_insert_and_map(field, stride)
        else:
            key, number = coordinate_map_key, manager.field_rows(field.value, coordinate_map_key.value)
            points = torch.arange(len(number), device=number.device)
            first = torch.zeros(manager.size(key), dtype=torch.int64, device=number.device)
            first = first.scatter_reduce(0, number, points, "amin", include_self=False)
        tensor = on_rows(reduce_rows(self._F, first, number, mode), key, manager)
        tensor.quantization_mode, tensor.unique_index, tensor.inverse_mapping = mode, first, number
        return tensor

    def splat(self) -> SparseTensor:
        """Return all voxels around the points; each takes the points' features with multilinear weights, summed."""
        region = make_region(RegionType.HYPER_CUBE, [2] * self.D, [1] * self.D)
        corners = torch.nn.functional.pad(region.scaled([1] * self.D), (1, 0)).to(self.device)
        around = self.C.floor().int().unsqueeze(1) + corners
        key, _ = self._manager.insert_and_map(around.reshape(-1, 1 + self.D))
        rows, points, weight = self._manager.interpolation_map_weight(key, self.C)
        feats = ops.weighted_sum(self._F, points, weight.to(self._F.dtype), rows, self._manager.size(key))
        return on_rows(feats, key, self._manager)

    def inverse_mapping(self, sparse_tensor_map_key: CoordinateMapKey) -> TorchTensor:
        """Return the row of a sparse tensor's voxel that each point lies in, (P,) int64."""
        return self._manager.field_rows(self.coordinate_map_key.value, sparse_tensor_map_key.value)
