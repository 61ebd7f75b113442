"""CoordinateManager: the public side of the manager, with keys and maps as MinkowskiEngine names them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pcseg import ops
from pcseg.errors import InputError
from pcseg.minkowski import geometry
from pcseg.minkowski.manager import CoordinateStore, region_of
from pcseg.minkowski.types import CoordinateMapKey, RegionType, Sizes, convert_to_int_list


class CoordinateManager(CoordinateStore):
    """Coordinates of dimension ``D`` and the maps between them; the other arguments have no effect."""

    def __init__(
        self, D: int = 0, num_threads: int = -1, coordinate_map_type: Any = None, allocator_type: Any = None,
        minkowski_algorithm: Any = None,
    ) -> None:  # fmt: skip
        if D < 1:
            raise InputError(f"D={D}: give the number of axes, 1 or more")
        super().__init__(D)
        self.minkowski_algorithm = minkowski_algorithm

    def insert_and_map(
        self, coordinates: Tensor, tensor_stride: Sizes = 1, string_id: str = ""
    ) -> tuple[CoordinateMapKey, tuple[Tensor, Tensor]]:
        """Keep the distinct rows of ``coordinates`` (N, 1 + D) int32.

        Returns their key, the first row of each, (M,) int64 ascending, and the number of each row's, (N,).
        """
        geometry.check(coordinates, self.D)
        rows, number = geometry.unique(coordinates)
        self.note_samples(coordinates[:, 0])
        kept = coordinates.clone() if len(rows) == len(coordinates) else coordinates[rows]
        stride = convert_to_int_list(tensor_stride, self.D)
        return self.key(self.add(stride, string_id, kept.contiguous())), (rows, number)

    def insert_field(self, coordinates: Tensor, tensor_stride: Sizes = 1, string_id: str = "") -> CoordinateMapKey:
        """Keep the positions (N, 1 + D) of a field, rows (sample, first axis, ...) of a floating type."""
        if not coordinates.isfinite().all():
            raise InputError("coordinates: some are NaN or infinite; remove those points")
        self.note_samples(coordinates[:, 0].round().int())
        name = tuple(convert_to_int_list(tensor_stride, self.D)), string_id or "field"
        while name in self._fields or name in self._coords:
            self._count += 1
            name = name[0], f"field-{self._count}"
        self._fields[name] = coordinates
        return self.key(name)

    def stride(self, coordinate_map_key: CoordinateMapKey, stride: Sizes, string_id: str = "") -> CoordinateMapKey:
        """Return the key of the coordinates rounded down to ``stride`` times their own stride."""
        return self.key(self.strided(coordinate_map_key.value, convert_to_int_list(stride, self.D)))

    def origin(self) -> CoordinateMapKey:
        """Return the key of one row (sample, 0, ..., 0) for each sample."""
        return self.key(self.origin_name())

    origin_field = origin

    def size(self, coordinate_map_key: CoordinateMapKey) -> int:
        """Return the number of rows."""
        name = coordinate_map_key.value
        return len(self._fields[name] if name in self._fields else self.coords(name))

    def get_coordinates(self, coords_key_or_tensor_strides: Any) -> Tensor:
        """Return the coordinates (N, 1 + D) int32 of a key or of a stride."""
        return self.coords(self.name_of(coords_key_or_tensor_strides))

    def get_coordinate_field(self, coords_key_or_tensor_strides: CoordinateMapKey) -> Tensor:
        """Return the positions (N, 1 + D) of a field."""
        return self._fields[coords_key_or_tensor_strides.value]

    def number_of_unique_batch_indices(self) -> int:
        """Return the number of samples."""
        return len(self.samples())

    def get_unique_coordinate_map_key(self, tensor_stride: Sizes) -> CoordinateMapKey:
        """Return a key of ``tensor_stride`` that no coordinates have yet."""
        self._count += 1
        return CoordinateMapKey(convert_to_int_list(tensor_stride, self.D), f"unique-{self._count}")

    def _get_coordinate_map_key(self, key_or_tensor_strides: Any) -> CoordinateMapKey:
        return self.key(self.name_of(key_or_tensor_strides))

    def kernel_map(
        self, in_key: Any, out_key: Any, stride: Sizes = 1, kernel_size: Sizes = 3, dilation: Sizes = 1,
        region_type: RegionType = RegionType.HYPER_CUBE, region_offset: Tensor | None = None,
        is_transpose: bool = False, is_pool: bool = False,
    ) -> dict[int, Tensor]:  # fmt: skip
        """Return {k: (2, Q) int32, rows (input, output)} of each weight k that has pairs."""
        inputs, outputs = self.name_of(in_key), self.name_of(out_key)
        if is_pool and convert_to_int_list(kernel_size, self.D) == convert_to_int_list(stride, self.D):
            fine, coarse = (outputs, inputs) if is_transpose else (inputs, outputs)
            pairs = torch.stack(self._stride_pairs(fine, coarse)).int()
            return {0: pairs.flip(0) if is_transpose else pairs}
        region = region_of(kernel_size, dilation, region_type, region_offset, self.D)
        found = self.kernel_map_of(inputs, outputs, region, is_transpose)
        groups = found.pairs.split(found.starts.diff().tolist(), dim=1)
        return {k: group for k, group in enumerate(groups) if group.shape[1]}

    get_kernel_map = kernel_map

    def _stride_pairs(self, fine: tuple, coarse: tuple) -> tuple[Tensor, Tensor]:
        cells = self.cells(fine, coarse)
        rows = (cells >= 0).nonzero()[:, 0]
        return rows, cells[rows]

    def stride_map(self, in_key: Any, stride_key: Any) -> tuple[Tensor, Tensor]:
        """Return each input row with the row of the cell it lies in, of keys or strides."""
        return self._stride_pairs(self.name_of(in_key), self.name_of(stride_key))

    get_coords_map = stride_map  # the name before version 0.5

    def origin_map(self, key: CoordinateMapKey) -> tuple[Tensor, list[Tensor]]:
        """Return the samples there are, and the rows of each sample from 0 to the last, (N_b,) int64 ascending."""
        samples, member = self.samples(), self.sample_rows(key.value)
        order = member.sort(stable=True).indices
        count = torch.bincount(member, minlength=len(samples)).tolist()
        parts = dict(zip(samples.tolist(), order.split(count), strict=True))
        last = int(samples[-1]) if len(samples) else -1
        return samples, [parts.get(b, order[:0]) for b in range(last + 1)]

    origin_field_map = origin_map

    def get_row_indices_per_batch(self, coords_key: Any) -> list[Tensor]:
        """Return the rows of each sample of a key or a stride, as :meth:`origin_map`: the name before version 0.5."""
        return self.origin_map(self._get_coordinate_map_key(coords_key))[1]

    def union_map(self, in_keys: list[CoordinateMapKey], out_key: CoordinateMapKey) -> list[Tensor]:
        """Set ``out_key`` to the union; return, for each input, (2, N) int64, rows (input, union)."""
        name, numbers = self.union([key.value for key in in_keys])
        out_key.set_key(name)
        return [torch.stack([torch.arange(len(number), device=number.device), number]) for number in numbers]

    def interpolation_map_weight(self, key: CoordinateMapKey, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return voxel, sample row and multilinear weight of the voxels around positions (P, 1 + D), Q of them each.

        The voxels are the corners of the cell that the position lies in; absent ones are left out, and the weights of
        the others are not scaled up.
        """
        name = key.value
        step = torch.tensor(name[0], dtype=samples.dtype, device=samples.device)
        base = (samples[:, 1:] / step).floor()
        share = samples[:, 1:] / step - base
        low = torch.cat([samples[:, :1].round(), base * step], dim=1).int()
        region = region_of(2, 1, RegionType.HYPER_CUBE, None, self.D)
        pairs, starts = geometry.kernel_map(self.coords(name), low, region.scaled(name[0]))
        rows, points = pairs.long()
        corners = torch.tensor(region.offsets, device=samples.device)
        which = torch.repeat_interleave(corners, starts.diff().to(samples.device), dim=0, output_size=len(rows))
        weight = torch.where(which == 1, share[points], 1 - share[points]).prod(dim=1)
        return rows, points, weight

    def interpolated(self, feats: Tensor, key: CoordinateMapKey, samples: Tensor) -> tuple[Tensor, ...]:
        """Return the interpolated features (P, C), and voxel, row and weight of each term."""
        with torch.no_grad():
            rows, points, weight = self.interpolation_map_weight(key, samples)
        wide = torch.float32 if feats.dtype in (torch.float16, torch.bfloat16) else feats.dtype
        return ops.weighted_sum(feats, rows, weight.to(wide), points, len(samples)), rows, points, weight

    def field_to_sparse_insert_and_map(
        self, field_map_key: CoordinateMapKey, sparse_tensor_stride: Sizes, sparse_tensor_string_id: str = ""
    ) -> tuple[CoordinateMapKey, tuple[Tensor, Tensor]]:
        """Keep a field's cells of a stride; return their key, the first row of each, and the cell of each row."""
        stride = convert_to_int_list(sparse_tensor_stride, self.D)
        name, rows, number = self.quantized(field_map_key.value, stride)
        return self.key(name), (rows, number)

    def field_to_sparse_map(
        self, field_map_key: CoordinateMapKey, sparse_map_key: CoordinateMapKey
    ) -> tuple[Tensor, Tensor]:
        """Return the row of ``sparse_map_key`` of each row of a field, and the rows of the field."""
        rows = self.field_rows(field_map_key.value, sparse_map_key.value)
        return rows, torch.arange(len(rows), device=rows.device)

    def get_field_to_sparse_map(
        self, field_map_key: CoordinateMapKey, sparse_map_key: CoordinateMapKey
    ) -> tuple[Tensor, Tensor]:
        """Return the rows of a field, and the row of ``sparse_map_key`` of each."""
        rows, field = self.field_to_sparse_map(field_map_key, sparse_map_key)
        return field, rows

    def exists_field_to_sparse(self, field_map_key: CoordinateMapKey, sparse_map_key: CoordinateMapKey) -> bool:
        """Return whether that map is there already."""
        return (field_map_key.value, sparse_map_key.value) in self._cells

    def field_to_sparse_keys(self, field_map_key: CoordinateMapKey) -> list[CoordinateMapKey]:
        """Return the keys of the coordinates that a field was mapped to."""
        return [self.key(name) for field, name in self._cells if field == field_map_key.value and name in self._coords]

    def __repr__(self) -> str:
        listed = ", ".join(f"{list(stride)}{text}: {len(c)}" for (stride, text), c in self._coords.items())
        return f"CoordinateManager(D={self.D}, {listed})"
