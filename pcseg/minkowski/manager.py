"""The coordinate manager: coordinates and kernel maps of tensors that belong together, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.minkowski import geometry
from pcseg.minkowski.region import Region, make_region
from pcseg.minkowski.types import CoordinateMapKey, RegionType, Sizes, Stride, convert_to_int_list
from pcseg.sparse import KernelMap

Name = tuple[Stride, str]


class CoordinateStore:
    """Coordinates (N, 1 + D) int32 by key, and what follows from them; the part that layers use.

    It holds no features and no tensor that refers to it, so reference counting frees it.
    """

    def __init__(self, D: int = 0) -> None:
        self.D = D
        self._coords: dict[Name, Tensor] = {}
        self._maps: dict[tuple[Name, Name, Region], KernelMap] = {}
        self._cells: dict[tuple[Name, Name], Tensor] = {}
        self._reached: dict[tuple[Name, Name, Region], Name] = {}
        self._fields: dict[Name, Tensor] = {}
        self._samples: Tensor | None = None
        self._origin: Name | None = None
        self._count = 0

    def key(self, name: Name) -> CoordinateMapKey:
        """Return a key of these coordinates."""
        return CoordinateMapKey(*name)

    def coords(self, name: Name) -> Tensor:
        """Return the coordinates of a name; raises InputError where they are not of this manager."""
        if name not in self._coords:
            raise InputError(
                f"coordinate_map_key {name}: these coordinates are not of this coordinate manager; pass the tensor's "
                "own key and manager together"
            )
        return self._coords[name]

    def add(self, stride: Sequence[int], text: str, coords: Tensor) -> Name:
        """Keep ``coords``, each there once, under stride and text, or under a new text where that is taken."""
        name = (tuple(stride), text)
        while name in self._coords or name in self._fields:
            self._count += 1
            name = (name[0], f"{text}-{self._count}")
        self._coords[name] = coords
        return name

    def note_samples(self, sample: Tensor) -> None:
        """Remember which samples there are, for the global layers."""
        found = sample.unique()
        if self._samples is not None:
            if torch.isin(found, self._samples).all():
                return
            found = torch.cat([self._samples.to(found), found]).unique()
        self._samples, self._origin = found, None

    def samples(self) -> Tensor:
        """Return the distinct sample numbers, ascending."""
        if self._samples is None:
            raise InputError("coordinate manager: it has no coordinates yet; make a tensor first")
        return self._samples

    def strided(self, name: Name, stride: Sequence[int]) -> Name:
        """Return the coordinates rounded down to ``stride`` times their own; those of that stride and text, if any."""
        if all(s == 1 for s in stride):
            return name
        wanted = (tuple(a * b for a, b in zip(name[0], stride, strict=True)), name[1])
        if wanted not in self._coords:
            self._coords[wanted], self._cells[name, wanted] = geometry.downsample(self.coords(name), wanted[0])
        return wanted

    def cells(self, fine: Name, coarse: Name) -> Tensor:
        """Return the row in ``coarse`` of the cell that each of ``fine`` lies in, (N,) int64; -1 where it is absent."""
        if (fine, coarse) not in self._cells:
            coords, cells = geometry.downsample(self.coords(fine), coarse[0])
            self._cells[fine, coarse] = geometry.find(self.coords(coarse), coords)[cells]
        return self._cells[fine, coarse]

    def expanded(self, name: Name, stride: Sequence[int], region: Region, transposed: bool, fresh: bool) -> Name:
        """Return the coordinates that ``region`` reaches from those of ``name``.

        Transposed: all of them, at stride / ``stride``; else those that are multiples of the new stride. Without
        ``fresh``, coordinates of that stride that are there already are returned instead: first those that this set was
        made from, where it is a further tensor of the same stride as another.
        """
        if transposed and any(a % b for a, b in zip(name[0], stride, strict=True)):
            raise InputError(f"stride={list(stride)}: does not divide {list(name[0])}, that of the tensor")
        pairs = zip(name[0], stride, strict=True)
        new = tuple(a // b if transposed else a * b for a, b in pairs)
        if not fresh:
            texts = [name[1], ""] if name[1].startswith("-") else [""]
            for there in ((new, text) for text in texts):
                if there in self._coords:
                    return there
        known = (name, (new, ""), region)
        if known not in self._reached:
            coords = geometry.reached(self.coords(name), region.scaled(new if transposed else name[0]))
            if not transposed:
                coords = coords[(coords[:, 1:] % torch.tensor(new, device=coords.device) == 0).all(1)]
            self._reached[known] = self.add(new, "", coords)
        return self._reached[known]

    def kernel_map_of(self, inputs: Name, outputs: Name, region: Region, transposed: bool = False) -> KernelMap:
        """Return the pairs with input = output + offset * stride of the input; transposed: the opposite, swapped."""
        if transposed:
            return self.kernel_map_of(outputs, inputs, region).transposed
        known = (inputs, outputs, region)
        if known not in self._maps:
            fine, coarse = self.coords(inputs), self.coords(outputs)
            pairs, starts = geometry.kernel_map(fine, coarse, region.scaled(inputs[0]))
            mirrored = region.mirrored and inputs == outputs
            self._maps[known] = KernelMap(pairs, starts, len(fine), len(coarse), mirrored)
        return self._maps[known]

    def origin_name(self) -> Name:
        """Return the coordinates of the global layers: one row (sample, 0, ..., 0) for each sample, stride 0."""
        if self._origin is None:
            samples = self.samples()
            coords = torch.zeros(len(samples), 1 + self.D, dtype=torch.int32, device=samples.device)
            coords[:, 0] = samples
            self._origin = self.add((0,) * self.D, "", coords)
        return self._origin

    def sample_rows(self, name: Name) -> Tensor:
        """Return the row of :meth:`origin_name` that each row belongs to, (N,) int64."""
        origin = self.origin_name()
        if (name, origin) not in self._cells:
            coords = self._fields[name] if name in self._fields else self.coords(name)
            self._cells[name, origin] = torch.searchsorted(
                self.samples(), coords[:, 0].round().to(self.samples().dtype).contiguous()
            )
        return self._cells[name, origin]

    def union(self, names: Sequence[Name]) -> tuple[Name, list[Tensor]]:
        """Return all coordinates of ``names``, at the smallest stride of each axis, and the row of each one's rows."""
        sets = [self.coords(name) for name in names]
        together = torch.cat(sets)
        rows, number = geometry.unique(together)
        stride = [min(axis) for axis in zip(*(name[0] for name in names), strict=True)]
        return self.add(stride, "union", together[rows]), list(number.split([len(coords) for coords in sets]))

    def quantized(self, field: Name, stride: Sequence[int]) -> tuple[Name, Tensor, Tensor]:
        """Return the coordinates of a field's cells of ``stride``, the first row of each, and the cell of each row."""
        cells = self.field_cells(field, stride)
        rows, number = geometry.unique(cells)
        name = self.add(stride, "", cells[rows])
        self._cells[field, name] = number
        return name, rows, number

    def field_cells(self, field: Name, stride: Sequence[int]) -> Tensor:
        """Return the cell (N, 1 + D) int32 of ``stride`` that each row of a field lies in."""
        whole = self._fields[field].floor().int()
        step = torch.tensor([1, *stride], dtype=torch.int32, device=whole.device)
        return torch.div(whole, step, rounding_mode="floor") * step

    def field_rows(self, field: Name, name: Name) -> Tensor:
        """Return the row in ``name`` of the cell of each row of a field, (N,) int64; InputError if one is absent."""
        if (field, name) not in self._cells:
            self._cells[field, name] = geometry.find(self.coords(name), self.field_cells(field, name[0]))
        rows = self._cells[field, name]
        if (rows < 0).any():
            raise InputError(
                f"slice: {int((rows < 0).sum())} of {len(rows)} points of the field lie in no voxel of the tensor; use "
                "interpolate, or a tensor of which no voxel was pruned"
            )
        return rows

    def name_of(self, key: Any) -> Name:
        """Return the name that a key, a stride or a tensor stands for."""
        if isinstance(key, CoordinateMapKey):
            return key.value
        if hasattr(key, "coordinate_map_key"):
            return key.coordinate_map_key.value
        stride = tuple(convert_to_int_list(key, self.D))
        found = [name for name in self._coords if name[0] == stride]
        if not found:
            raise InputError(f"tensor stride {list(stride)}: the coordinate manager has no coordinates of it")
        return found[0]


def region_of(kernel_size: Sizes, dilation: Sizes, region_type: RegionType, offsets: Any, dimension: int) -> Region:
    """Return the region of settings as the manager's own functions take them."""
    size, rate = convert_to_int_list(kernel_size, dimension), convert_to_int_list(dilation, dimension)
    custom = region_type in (RegionType.CUSTOM, RegionType.HYBRID)
    return make_region(RegionType.CUSTOM if custom else region_type, size, rate, offsets if custom else None)
